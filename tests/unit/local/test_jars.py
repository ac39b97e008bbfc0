"""Apache Kafka's jars: which version, which Java, and what is said where something is missing."""

import os
from pathlib import Path

import pytest

from deploy.local.brokers import jars
from deploy.local.brokers.node import BrokerFailed


def program(directory: Path, name: str, script: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    made = directory / name
    made.write_text(f"#!/bin/sh\n{script}\n")
    made.chmod(0o755)
    return made


def speaking(version: str) -> str:
    return f"echo 'openjdk version \"{version}\" 2025-04-15' >&2"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a path on which there is nothing but a Java."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    program(tmp_path / "bin", "java", speaking("17.0.15"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "cache" / "huchuang"


def test_the_version_is_pinned_and_a_four() -> None:
    assert jars.version().split(".")[0] == "4"
    assert len(jars.version().split(".")) == 3


@pytest.mark.parametrize(("version", "major"), [("17.0.15", 17), ("21", 21), ("26-ea", 26)])
def test_java_is_taken_from_its_home_or_from_the_path(tmp_path: Path, version: str, major: int) -> None:
    here = program(tmp_path / "home" / "bin", "java", speaking(version))
    assert jars.java({"JAVA_HOME": str(tmp_path / "home"), "PATH": "/nowhere"}) == (here, major)
    assert jars.java({"PATH": str(here.parent)}) == (here, major)


@pytest.mark.parametrize("said", ["1.8.0_392", "11.0.2", "nonsense"])
def test_an_old_java_is_refused_with_what_to_do(tmp_path: Path, said: str) -> None:
    here = program(tmp_path, "java", speaking(said))
    with pytest.raises(BrokerFailed, match=f"{here} is no Java 17 or newer.*install a JDK"):
        jars.java({"PATH": str(tmp_path)})
    with pytest.raises(BrokerFailed, match=r"no java in JAVA_HOME.*install a JDK"):
        jars.java({"JAVA_HOME": str(tmp_path / "elsewhere"), "PATH": str(tmp_path)})


def test_what_is_missing_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no mvn" in str(jars.missing())
    (cache / jars.cached().name).mkdir(parents=True)
    assert jars.missing() is None
    monkeypatch.setenv("PATH", str(cache))
    assert "no java" in str(jars.missing())


async def test_jars_are_there_whole_or_not_at_all(cache: Path, tmp_path: Path) -> None:
    target = 'for word; do case $word in -DoutputDirectory=*) to=${word#*=};; esac; done; : > "$to/kafka.jar"'
    program(tmp_path / "bin", "mvn", f"{target}; echo '[ERROR] no such version'; exit 1")
    with pytest.raises(BrokerFailed, match=r"mvn ended with 1\n\[ERROR\] no such version"):
        await jars.fetch(lambda step: None)
    assert os.listdir(cache) == []
    program(tmp_path / "bin", "mvn", f"{target}; echo 'Downloaded from somewhere: kafka.jar'")
    said: list[str] = []
    await jars.fetch(said.append)
    assert [path.name for path in jars.cached().iterdir()] == ["kafka.jar"]
    assert said[-1].endswith("with Maven: 1 jars")
    program(tmp_path / "bin", "mvn", "exit 1")
    await jars.fetch(said.append)  # they are there, so Maven is not asked


def test_another_pom_asks_for_other_jars(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = jars.cached()
    changed = tmp_path / "pom.xml"
    changed.write_text(jars.POM.read_text() + "\n<!-- changed -->\n")
    monkeypatch.setattr(jars, "POM", changed)
    assert jars.cached() != before
    assert jars.cached().parent == before.parent == cache

"""Apache Kafka's jars as they are published, and the Java that runs them.

`deploy/kafka/pom.xml` pins the version. Maven fetches the jars once, into the user's cache; after that nothing of it
needs Maven or a network.
"""

import asyncio
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path

from deploy.local import accounts
from deploy.local.brokers.node import BrokerFailed, Say
from deploy.local.processes import Account

POM = Path(__file__).parents[2] / "kafka" / "pom.xml"
NAMESPACE = {"": "http://maven.apache.org/POM/4.0.0"}
JAVA_NEEDED = 17
LAST_WORDS = 15  # lines of Maven's that a failure shows
INSTALL = "install a JDK (17 or newer) and Maven, for example default-jdk-headless and maven of Debian"


def version() -> str:
    """The version of Kafka that is pinned."""
    found = ElementTree.parse(POM).findtext("properties/kafka.version", namespaces=NAMESPACE)
    if found is None:
        raise BrokerFailed(f"{POM} has no property kafka.version")
    return found


def java(variables: Mapping[str, str] = os.environ) -> tuple[Path, int]:
    """The Java that JAVA_HOME names, else the first on the path, and its major version. Raises BrokerFailed."""
    home = variables.get("JAVA_HOME")
    named = shutil.which("java", path=f"{home}/bin" if home else variables.get("PATH"))
    if named is None:
        raise BrokerFailed(f"no java{f' in JAVA_HOME ({home})' if home else ''}: {INSTALL}")
    said = subprocess.run([named, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    number = re.search(r'version "(\d+)', said)
    if number is None or int(number[1]) < JAVA_NEEDED:
        raise BrokerFailed(f"{named} is no Java {JAVA_NEEDED} or newer ({said.strip()[:80]}): {INSTALL}")
    return Path(named).resolve(), int(number[1])


def cached() -> Path:
    """The directory where the jars that the POM asks for are, or will be."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    wanted = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    return Path(cache) / "huchuang" / f"kafka-{version()}-{wanted}"


def missing() -> str | None:
    """Why Apache Kafka cannot be run here, None if it can (perhaps after the jars have been fetched)."""
    try:
        java()
    except BrokerFailed as failure:
        return str(failure)
    if not cached().exists() and shutil.which("mvn") is None:
        return f"Kafka's jars have not been fetched yet, and there is no mvn: {INSTALL}"
    return None


def class_path(account: Account | None) -> str:
    """Every jar, where `account` (None: we) can read them."""
    jars = cached()
    place = jars.parent if account is None else accounts.trees_for(account, [jars], jars.name)
    return str(place / jars.name / "*")


async def fetch(say: Say) -> None:
    """Fetch the jars unless they are there: whole, or not at all. Raises BrokerFailed."""
    if (why := missing()) is not None:
        raise BrokerFailed(why)
    target = cached()
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".fetch-", dir=target.parent))
    try:
        await _run_maven(fresh, say)
        _keep(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _keep(fresh: Path, target: Path) -> None:
    fresh.chmod(0o755)
    try:
        fresh.rename(target)
    except OSError:
        if not target.exists():  # else another start was faster
            raise


async def _run_maven(target: Path, say: Say) -> None:
    """Copy what Kafka needs at run time; the checks of what was fetched are strict."""
    command = ["mvn", "--batch-mode", "--strict-checksums", "--file", str(POM)]
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    maven = await asyncio.create_subprocess_exec(
        *command,
        *goal,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert maven.stdout is not None
    said: list[str] = []
    count = 0
    say(f"fetching Apache Kafka {version()} with Maven")
    try:
        async for line in maven.stdout:
            said.append(line.decode(errors="replace").rstrip())
            if "Downloaded from" in said[-1] and ".jar" in said[-1]:
                count += 1
                say(f"fetching Apache Kafka {version()} with Maven: {count} jars")
        code = await maven.wait()
    except BaseException:
        maven.terminate()
        await maven.wait()
        raise
    if code != 0:
        raise BrokerFailed(f"mvn ended with {code}\n" + "\n".join(said[-LAST_WORDS:]))


if __name__ == "__main__":
    asyncio.run(fetch(print))

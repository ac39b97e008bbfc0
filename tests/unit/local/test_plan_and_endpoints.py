"""What a start decides, what it writes down, and what others read."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import databases, endpoints, plan, settings
from deploy.local.brokers.choice import broker_of
from deploy.local.commands.setup import from_environment
from deploy.local.failures import StackFailed
from deploy.local.plan import StackOptions, make_plan
from deploy.local.settings import SERVICES
from deploy.local.tokens import SandboxIssuer

TAKEN: set[int] = set()


@pytest.fixture
def all_free() -> Iterator[set[int]]:
    """Every port is free but those in the set that this gives."""
    yield TAKEN
    TAKEN.clear()


def planned(directory: Path, **options: object) -> plan.Plan:
    chosen = StackOptions(**options)  # type: ignore[arg-type]
    made = make_plan(directory, chosen, SandboxIssuer(directory / "keys"), lambda *row: TAKEN.isdisjoint(row))
    settings.write(made.settings, directory / settings.FILE)
    return made


def test_the_first_start_takes_the_ports_of_the_design(tmp_path: Path, all_free: set[int]) -> None:
    made = planned(tmp_path)
    assert made.settings.services["registry"] == "http://127.0.0.1:8101"
    assert made.settings.services["audit"] == "http://127.0.0.1:8106"
    assert (made.broker_ports, made.postgres_port, made.identity_port) == ((8107,), 8108, 8109)
    assert made.settings.kafka == "127.0.0.1:8107"


def test_ports_are_kept_over_restarts_and_left_when_taken(tmp_path: Path, all_free: set[int]) -> None:
    first = planned(tmp_path, port_base=9001)
    assert planned(tmp_path).settings.services == first.settings.services
    assert planned(tmp_path).postgres_port == first.postgres_port
    all_free.add(9003)
    assert planned(tmp_path).settings.services["registry"] == "http://127.0.0.1:8101"


def test_each_service_gets_its_own_database_role_and_password(tmp_path: Path, all_free: set[int]) -> None:
    made = planned(tmp_path)
    assert len(set(made.passwords.values())) == len(SERVICES) + 1
    for service, dsn in made.settings.databases.items():
        role = f"huchuang_{service}"
        assert dsn == f"postgresql://{role}:{made.passwords[role]}@127.0.0.1:{made.postgres_port}/{role}"
    assert planned(tmp_path).passwords == made.passwords


def test_what_runs_elsewhere_gets_no_port(tmp_path: Path, all_free: set[int]) -> None:
    made = planned(tmp_path, broker="kafka.example:9092", postgres="postgresql://boss:pw@db.example:5433/postgres?a=b")
    assert (made.broker_ports, made.postgres_port) == ((), None)
    assert made.settings.kafka == "kafka.example:9092"
    assert made.settings.databases["loans"].endswith("@db.example:5433/huchuang_loans?a=b")


def test_three_nodes_have_three_addresses_and_as_many_more_ports_among_themselves(
    tmp_path: Path, all_free: set[int]
) -> None:
    all_free.add(8111)
    made = planned(tmp_path, broker="apache:3")
    assert made.settings.kafka == "127.0.0.1:8107,127.0.0.1:8110,127.0.0.1:8112"
    assert len({*made.broker_ports, made.postgres_port, made.identity_port}) == 8
    all_free.clear()
    assert planned(tmp_path, broker="apache:3").settings.kafka == made.settings.kafka


def test_a_broker_elsewhere_may_have_several_addresses(tmp_path: Path, all_free: set[int]) -> None:
    addresses = "kafka-1.example:9092,[::1]:9092"
    assert planned(tmp_path, broker=addresses).settings.kafka == addresses
    assert planned(tmp_path).settings.kafka == "127.0.0.1:8107"


@pytest.mark.parametrize(
    "choice",
    ["", "rabbit", "host", "host:port", "http://host:9092", "apache:2", "apache:30", "h:9092,", "h:9092;i:9092"],
)
def test_a_broker_that_is_not_supported_is_refused_with_what_is(choice: str) -> None:
    with pytest.raises(ValueError, match="supported: tansu; apache, or apache:3 for three nodes; HOST:PORT"):
        broker_of(choice)


def test_a_database_that_is_no_url_is_refused() -> None:
    with pytest.raises(StackFailed, match="postgresql://"):
        plan.check_options(StackOptions(postgres="localhost:5432"))


def test_settings_are_private_and_come_back_as_they_were(tmp_path: Path, all_free: set[int]) -> None:
    made = planned(tmp_path)
    file = tmp_path / "stack.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert settings.read(tmp_path) == made.settings
    assert made.settings.address("subsidy") == ("127.0.0.1", 8103)
    assert made.settings.clock_start.isoformat() == "2025-03-03T09:00:00+08:00"


def test_missing_settings_say_what_writes_them(tmp_path: Path) -> None:
    with pytest.raises(settings.SettingsMissing, match="huchuang up"):
        settings.read(tmp_path)


def test_endpoints_have_the_fixed_names(tmp_path: Path, all_free: set[int]) -> None:
    made = planned(tmp_path)
    issuer = SandboxIssuer(tmp_path / "keys")
    endpoints.write(endpoints.of(made.settings, "postgresql://reader", issuer.tokens()), tmp_path)
    written = json.loads((tmp_path / "endpoints.json").read_text())
    assert set(written) == {"services", "console", "kafka", "postgres", "tokens"}
    assert list(written["services"]) == list(SERVICES)
    assert written["console"] == "http://127.0.0.1:8106/console"
    endpoints.remove(tmp_path)
    assert endpoints.read(tmp_path) is None


def test_a_role_replaces_the_administrators_login_only() -> None:
    assert databases.dsn("postgresql://a:b@h:1/x", "r", "p/w", "d") == "postgresql://r:p%2Fw@h:1/d"


def test_a_container_knows_its_own_database_only(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    variables = {
        "HUCHUANG_SERVICE": "loans",
        "HUCHUANG_POSTGRES": "postgres:5432",
        "HUCHUANG_POSTGRES_PASSWORD_FILE": str(password),
        "HUCHUANG_KAFKA": "kafka:9092",
        "HUCHUANG_ISSUER": "https://id.example",
        "HUCHUANG_ISSUER_JWKS": "/run/secrets/issuer_jwks",
    }
    made = from_environment(tmp_path, variables)
    assert made.databases == {"loans": "postgresql://huchuang_loans:secret@postgres:5432/huchuang_loans"}
    assert made.profile == "compose"
    own, people = made.issuers
    assert (own.name, own.jwks, own.vouches_for) == ("http://registry:8000", "http://registry:8000/jwks", ("system",))
    assert (people.name, people.vouches_for) == ("https://id.example", ("person",))
    assert made.sign_in is None
    del variables["HUCHUANG_KAFKA"]
    with pytest.raises(StackFailed, match="HUCHUANG_KAFKA"):
        from_environment(tmp_path, variables)

"""What a start decides before anything runs: ports, passwords, and the settings that the services will read."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from deploy.local import broker, databases, ports, settings, tokens
from deploy.local.failures import StackFailed
from deploy.local.postgres import PostgresServer, superuser_password
from deploy.local.secrets import kept_password, write_private
from deploy.local.settings import AUDIENCE, SERVICES, Issuer, SignIn, StackSettings, own_issuer

OPTIONS_FILE = "options.json"
CONSOLE_CLIENT = "huchuang-console"
"""What the console is called at the provider where people sign in."""


class StackOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `huchuang up` was asked for."""

    port_base: int | None = None
    """None: the ports of last time, else 8101 and up; moved on when one is taken."""
    broker: str = "tansu"
    postgres: str | None = None
    """URL of a superuser on a server of one's own; None: the embedded one."""
    fresh: bool = False
    service_command: tuple[str, ...] | None = None
    """Program and arguments that get the service's name as the last argument; None: `huchuang serve`."""


@dataclass(frozen=True)
class Plan:
    """Ports are None for what runs elsewhere."""

    settings: StackSettings
    admin: str
    passwords: dict[str, str]
    postgres_port: int | None
    broker_port: int | None
    identity_port: int


def write_options(options: StackOptions, directory: Path) -> None:
    write_private(directory / OPTIONS_FILE, msgspec.json.encode(options))


def read_options(directory: Path) -> StackOptions:
    return msgspec.json.decode((directory / OPTIONS_FILE).read_bytes(), type=StackOptions)


def make_plan(directory: Path, options: StackOptions, issuer: tokens.SandboxIssuer) -> Plan:
    """Choose the ports and put the settings together. Raises StackFailed."""
    before = _settings_of_last_time(directory)
    base = _base(options, before)
    external = broker.external_bootstrap(options.broker)
    broker_port = None if external else _port(_last_broker_port(before), base + len(SERVICES), ())
    postgres_port = None
    if options.postgres is None:
        taken = () if broker_port is None else (broker_port,)
        postgres_port = _port(_last_postgres_port(before), base + len(SERVICES) + 1, taken)
        admin = PostgresServer(directory, postgres_port, superuser_password(directory)).dsn()
    else:
        admin = options.postgres
    roles = (*map(databases.name_of, SERVICES), databases.READER)
    passwords = {role: kept_password(directory / "secrets" / "roles" / role) for role in roles}
    listen = {service: f"{ports.LOOPBACK}:{port}" for service, port in ports.service_ports(base).items()}
    owned = {service: databases.name_of(service) for service in SERVICES}
    services = {service: f"http://{address}" for service, address in listen.items()}
    identity_port = _port(
        _last_identity_port(before), base + len(SERVICES) + 2, tuple(filter(None, (broker_port, postgres_port)))
    )
    identity = f"http://{ports.LOOPBACK}:{identity_port}"
    stack = StackSettings(
        profile="local",
        directory=str(directory),
        services=services,
        listen=listen,
        databases={service: databases.dsn(admin, name, passwords[name], name) for service, name in owned.items()},
        kafka=external or f"{ports.LOOPBACK}:{broker_port}",
        issuers=_issuers(services["registry"], identity, str(issuer.jwks)),
        authority=services["registry"],
        sign_in=SignIn(provider=identity, client_id=CONSOLE_CLIENT, console=services["audit"]),
        secrets=str(directory / "secrets"),
        data=str(directory / "data"),
    )
    return Plan(stack, admin, passwords, postgres_port, broker_port, identity_port)


def _issuers(registry: str, identity: str, sandbox_keys: str) -> tuple[Issuer, ...]:
    """The registry for systems, the sandbox's provider for people, and the sandbox's ready tokens for both."""
    return (
        own_issuer(registry, registry),
        Issuer(name=identity, audience=AUDIENCE, jwks=f"{identity}/jwks", vouches_for=("person",), token_type="at+jwt"),
        Issuer(
            name=tokens.ISSUER, audience=AUDIENCE, jwks=sandbox_keys, vouches_for=("system", "person"), foretells=True
        ),
    )


def _settings_of_last_time(directory: Path) -> StackSettings | None:
    try:
        return settings.read(directory)
    except settings.SettingsMissing:
        return None


def _base(options: StackOptions, before: StackSettings | None) -> int:
    if options.port_base is not None:
        return ports.find_base(options.port_base)
    last = before.address("registry")[1] if before else ports.DEFAULT_BASE
    free = all(ports.is_free(port) for port in ports.service_ports(last).values())
    return last if free else ports.find_base()


def _port(last: int | None, start: int, taken: tuple[int, ...]) -> int:
    if last is not None and last not in taken and last >= start and ports.is_free(last):
        return last
    return ports.find_port(start, not_in=taken)


def _last_broker_port(before: StackSettings | None) -> int | None:
    return int(before.kafka.rpartition(":")[2]) if before else None


def _last_identity_port(before: StackSettings | None) -> int | None:
    return urlsplit(before.sign_in.provider).port if before and before.sign_in else None


def _last_postgres_port(before: StackSettings | None) -> int | None:
    return urlsplit(before.databases["registry"]).port if before else None


def check_options(options: StackOptions) -> None:
    """Refuse what cannot be meant, before anything is touched."""
    broker.external_bootstrap(options.broker)
    if options.postgres is not None and urlsplit(options.postgres).scheme not in ("postgresql", "postgres"):
        raise StackFailed("--postgres takes a URL such as postgresql://postgres:secret@host:5432/postgres")

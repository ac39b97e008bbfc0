"""What a start decides before anything runs: ports, passwords, and the settings that the services will read."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from deploy.local import databases, ports, settings, tokens
from deploy.local.brokers import choice
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
    broker: str = choice.DEFAULT
    """What `--broker` says, see `brokers/choice.py`."""
    postgres: str | None = None
    """URL of a superuser on a server of one's own; None: the embedded one."""
    fresh: bool = False
    service_command: tuple[str, ...] | None = None
    """Program and arguments that get the service's name as the last argument; None: `huchuang serve`."""


@dataclass(frozen=True)
class Plan:
    """What runs elsewhere has no ports here."""

    settings: StackSettings
    admin: str
    passwords: dict[str, str]
    postgres_port: int | None
    broker_ports: tuple[int, ...]
    """As many as the broker needs."""
    identity_port: int


def write_options(options: StackOptions, directory: Path) -> None:
    write_private(directory / OPTIONS_FILE, msgspec.json.encode(options))


def read_options(directory: Path) -> StackOptions:
    return msgspec.json.decode((directory / OPTIONS_FILE).read_bytes(), type=StackOptions)


def make_plan(
    directory: Path, options: StackOptions, issuer: tokens.SandboxIssuer, free: ports.Free = ports.is_free
) -> Plan:
    """Choose ports that are `free` and put the settings together. Raises StackFailed."""
    before = _settings_of_last_time(directory)
    base = _base(options, before, free)
    chosen = choice.broker_of(options.broker)
    broker_ports = _broker_ports(before, base + len(SERVICES), chosen.ports_needed, free)
    postgres_port = None
    if options.postgres is None:
        postgres_port = _port(_last_postgres_port(before), base + len(SERVICES) + 1, broker_ports, free)
        admin = PostgresServer(directory, postgres_port, superuser_password(directory)).dsn()
    else:
        admin = options.postgres
    roles = (*map(databases.name_of, SERVICES), databases.READER)
    passwords = {role: kept_password(directory / "secrets" / "roles" / role) for role in roles}
    listen = {service: f"{ports.LOOPBACK}:{port}" for service, port in ports.service_ports(base).items()}
    owned = {service: databases.name_of(service) for service in SERVICES}
    services = {service: f"http://{address}" for service, address in listen.items()}
    taken = broker_ports if postgres_port is None else (*broker_ports, postgres_port)
    identity_port = _port(_last_identity_port(before), base + len(SERVICES) + 2, taken, free)
    identity = f"http://{ports.LOOPBACK}:{identity_port}"
    stack = StackSettings(
        profile="local",
        directory=str(directory),
        services=services,
        listen=listen,
        databases={service: databases.dsn(admin, name, passwords[name], name) for service, name in owned.items()},
        kafka=chosen.bootstrap(broker_ports),
        issuers=_issuers(services["registry"], identity, str(issuer.jwks)),
        authority=services["registry"],
        sign_in=SignIn(provider=identity, client_id=CONSOLE_CLIENT, console=services["audit"]),
        secrets=str(directory / "secrets"),
        data=str(directory / "data"),
    )
    return Plan(stack, admin, passwords, postgres_port, broker_ports, identity_port)


def _issuers(registry: str, identity: str, sandbox_keys: str) -> tuple[Issuer, ...]:
    """The registry for systems, the sandbox's provider for people, and the sandbox's ready tokens for both."""
    return (
        own_issuer(registry, registry),
        Issuer(name=identity, audience=AUDIENCE, jwks=f"{identity}/jwks", vouches_for=("person",), token_type="at+jwt"),
        Issuer(
            name=tokens.ISSUER, audience=AUDIENCE, jwks=sandbox_keys, vouches_for=("system", "person"), foretells=True
        ),
    )


def admin_of(directory: Path, stack: StackSettings) -> str:
    """The URL of the superuser of the server on which a stack's databases are. Raises StackFailed."""
    try:
        options = read_options(directory)
    except FileNotFoundError:
        raise StackFailed(
            "this deployment does not say who its superuser is: say it with HUCHUANG_SUPERUSER=URL"
        ) from None
    if options.postgres is not None:
        return options.postgres
    port = urlsplit(stack.databases["registry"]).port
    assert port is not None
    return PostgresServer(directory, port, superuser_password(directory)).dsn()


def _settings_of_last_time(directory: Path) -> StackSettings | None:
    try:
        return settings.read(directory)
    except settings.SettingsMissing:
        return None


def _base(options: StackOptions, before: StackSettings | None, free: ports.Free) -> int:
    if options.port_base is not None:
        return ports.find_base(options.port_base, free)
    last = before.address("registry")[1] if before else ports.DEFAULT_BASE
    return last if free(*ports.service_ports(last).values()) else ports.find_base(free=free)


def _port(last: int | None, start: int, taken: tuple[int, ...], free: ports.Free) -> int:
    if last is not None and last not in taken and last >= start and free(last):
        return last
    return ports.find_port(start, not_in=taken, free=free)


def _broker_ports(before: StackSettings | None, first: int, needed: int, free: ports.Free) -> tuple[int, ...]:
    """The first one, and, behind those of PostgreSQL and of the provider where people sign in, what more it takes."""
    addresses = [address.rpartition(":") for address in before.kafka.split(",")] if before else []
    lasts = [int(port) for host, _, port in addresses if host == ports.LOOPBACK]
    found: tuple[int, ...] = ()
    for place in range(needed):
        start = first if place == 0 else first + 2 + place
        found += (_port(lasts[place] if place < len(lasts) else None, start, found, free),)
    return found


def _last_identity_port(before: StackSettings | None) -> int | None:
    return urlsplit(before.sign_in.provider).port if before and before.sign_in else None


def _last_postgres_port(before: StackSettings | None) -> int | None:
    return urlsplit(before.databases["registry"]).port if before else None


def check_options(options: StackOptions) -> None:
    """Refuse what cannot be meant, before anything is touched."""
    choice.broker_of(options.broker)
    if options.postgres is not None and urlsplit(options.postgres).scheme not in ("postgresql", "postgres"):
        raise StackFailed("--postgres takes a URL such as postgresql://postgres:secret@host:5432/postgres")

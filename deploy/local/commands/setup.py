"""One-shot commands for deployments without the supervisor: settings from the environment, migrations, topics."""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from joserfc.jwk import OKPKey

from deploy.local import databases, migrations, settings
from deploy.local.brokers.topics import create_topics
from deploy.local.failures import StackFailed
from deploy.local.settings import AUDIENCE, SERVICES, Issuer, SignIn, StackSettings, own_issuer
from shared.web.client_key import KEY_FILE, public_part
from shared.web.client_key import client_key as shared_client_key

Directory = Annotated[Path, typer.Option("--data", metavar="DIR", envvar=settings.DIRECTORY_VARIABLE)]


def render_settings(data: Directory) -> None:
    """Write DIR/stack.json for one container from HUCHUANG_* variables; passwords come from files they name."""
    settings.write(from_environment(data, os.environ), data / settings.FILE)


def migrate(
    service: Annotated[str, typer.Argument(help="Whose database.")],
    data: Directory,
) -> None:
    """Bring one service's database to the newest version of its tables."""
    databases = settings.read(data).databases
    if service not in databases:
        raise typer.BadParameter(f"{service} has no database in these settings", param_hint="SERVICE")
    migrations.migrate(service, databases[service])


def topics(data: Directory) -> None:
    """Create the topics that are missing, as deploy/kafka/topics.yaml says."""
    asyncio.run(create_topics(settings.read(data).kafka))


def from_environment(directory: Path, variables: Mapping[str, str]) -> StackSettings:
    """HUCHUANG_SERVICE, _POSTGRES (HOST:PORT), _POSTGRES_PASSWORD_FILE, _KAFKA and others.

    People: _ISSUER, _ISSUER_JWKS (path or URL), _ISSUER_ALGORITHMS, _CONSOLE (its public URL), _CONSOLE_CLIENT,
    _CONSOLE_SECRET_FILE. Systems: _AUTHORITY, the public URL of the registry.
    """

    def needed(name: str) -> str:
        try:
            return variables[f"HUCHUANG_{name}"]
        except KeyError:
            raise StackFailed(f"the variable HUCHUANG_{name} is not set") from None

    service = variables.get("HUCHUANG_SERVICE")
    owned = {}
    if service is not None:
        password = Path(needed("POSTGRES_PASSWORD_FILE")).read_text().strip()
        role = databases.name_of(service)
        owned[service] = databases.dsn(f"postgresql://{needed('POSTGRES')}", role, password, role)
    port = variables.get("HUCHUANG_PORT", "8000")
    services = {name: f"http://{name}:{port}" for name in SERVICES}
    authority = variables.get("HUCHUANG_AUTHORITY", services["registry"])
    people = Issuer(
        name=needed("ISSUER"),
        audience=variables.get("HUCHUANG_AUDIENCE", AUDIENCE),
        jwks=needed("ISSUER_JWKS"),
        vouches_for=("person",),
        algorithms=tuple(variables.get("HUCHUANG_ISSUER_ALGORITHMS", "Ed25519 ES256").split()),
    )
    return StackSettings(
        profile="compose",
        directory=str(directory),
        services=services,
        listen=dict.fromkeys(SERVICES, f"0.0.0.0:{port}"),
        databases=owned,
        kafka=needed("KAFKA"),
        issuers=(own_issuer(authority, services["registry"]), people),
        authority=authority,
        sign_in=_sign_in(variables),
        secrets=variables.get("HUCHUANG_SECRETS", "/var/lib/huchuang/secrets"),
        data=variables.get("HUCHUANG_DATA", "/var/lib/huchuang/data"),
    )


def _sign_in(variables: Mapping[str, str]) -> SignIn | None:
    """Where people sign in to the console; None where HUCHUANG_CONSOLE does not say where it is."""
    console = variables.get("HUCHUANG_CONSOLE")
    if not console:
        return None
    return SignIn(
        provider=variables["HUCHUANG_ISSUER"],
        client_id=variables.get("HUCHUANG_CONSOLE_CLIENT", "huchuang-console"),
        client_secret_file=variables.get("HUCHUANG_CONSOLE_SECRET_FILE"),
        console=console.rstrip("/"),
    )


def client_key(
    service: Annotated[str, typer.Argument(help="Whose key.")],
    data: Directory,
) -> None:
    """Print the public key with which a service asks for its tokens: what is handed in for its client."""
    typer.echo(json.dumps({"use": "token", "public_key": public_part(own_key(settings.read(data), service))}, indent=2))


def own_key(stack: StackSettings, service: str) -> OKPKey:
    """The key of a service itself, made on first use."""
    return shared_client_key(stack.secret(service, KEY_FILE))

"""One-shot commands for deployments without the supervisor: settings from the environment, migrations, topics."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from deploy.local import broker, databases, migrations, settings
from deploy.local.failures import StackFailed
from deploy.local.settings import SERVICES, Issuer, StackSettings

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
    asyncio.run(broker.create_topics(settings.read(data).kafka))


def from_environment(directory: Path, variables: Mapping[str, str]) -> StackSettings:
    """HUCHUANG_SERVICE, _POSTGRES (HOST:PORT), _POSTGRES_PASSWORD_FILE, _KAFKA, _ISSUER, _ISSUER_JWKS and others."""

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
    return StackSettings(
        profile="compose",
        directory=str(directory),
        services={name: f"http://{name}:{port}" for name in SERVICES},
        listen=dict.fromkeys(SERVICES, f"0.0.0.0:{port}"),
        databases=owned,
        kafka=needed("KAFKA"),
        issuer=Issuer(
            name=needed("ISSUER"), audience=variables.get("HUCHUANG_AUDIENCE", "huchuang"), jwks=needed("ISSUER_JWKS")
        ),
        secrets=variables.get("HUCHUANG_SECRETS", "/var/lib/huchuang/secrets"),
        data=variables.get("HUCHUANG_DATA", "/var/lib/huchuang/data"),
    )

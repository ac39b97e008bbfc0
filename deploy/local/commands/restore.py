"""`huchuang backup` and `huchuang restore`: a service's database as a file, and back."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from deploy.local import backups, plan, restoring, settings
from deploy.local.commands.options import DEFAULT_DATA, Data, Service
from deploy.local.failures import StackFailed
from shared.eventstore.interruptions import DATABASE
from shared.telemetry.errors import describe

BACKUPS = "backups"
"""Where, in the stack's directory, backups are put; `up --fresh` leaves them."""


def backup(
    service: Service,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to; DIR/backups if not said.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Back a service's database up while it runs. Personal data in the file is sealed; keep it private all the same."""
    file = to or data.resolve() / BACKUPS / f"{service.value}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar"
    dsn = _database(settings.read(data), service)
    try:
        manifest = asyncio.run(backups.back_up(dsn, service.value, file))
    except DATABASE as error:
        raise StackFailed(f"the backup failed: {describe(error)}") from error
    size = file.stat().st_size / 1024 / 1024
    print(f"{service.value} as of position {manifest.position}: {file} ({size:.1f} MiB)")


def restore_command(
    service: Service,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `huchuang backup` wrote.")],
    data: Data = DEFAULT_DATA,
    postgres: Annotated[
        str | None,
        typer.Option(metavar="URL", envvar="HUCHUANG_SUPERUSER", help="A superuser, where the stack has none."),
    ] = None,
    other_log: Annotated[
        bool, typer.Option("--other-log", help="Even where the database there holds another log.")
    ] = False,
) -> None:
    """Put a backup in the place of a service's database, which is kept aside. Then run `huchuang reconcile`."""
    stack = settings.read(data)
    admin = postgres or plan.admin_of(data.resolve(), stack)
    try:
        restored = asyncio.run(
            restoring.restore(admin, _database(stack, service), service.value, file, other_log=other_log)
        )
    except DATABASE as error:
        raise StackFailed(f"the restore failed ({describe(error)}): once that is mended, run it again") from error
    manifest = restored.manifest
    print(f"{service.value} is as it was at {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC, position {manifest.position}")
    if restored.aside is not None:
        print(f"what was there is kept as database {restored.aside}; drop it when it is not needed any more")
    print(f"it answers nothing until: huchuang reconcile {service.value}")


def _database(stack: settings.StackSettings, service: Service) -> str:
    if service.value not in stack.databases:
        raise StackFailed(f"{service.value} has no database in these settings")
    return stack.databases[service.value]

"""`huchuang serve SERVICE`: one service in this process."""

import importlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from deploy.local import settings
from deploy.local.commands.options import Service


class Role(StrEnum):
    """What of a service runs here: answering requests, following events, or both."""

    API = "api"
    WORKER = "worker"
    ALL = "all"


def serve(
    service: Service,
    role: Annotated[Role, typer.Option(help="What of the service to run.")] = Role.ALL,
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", envvar=settings.DIRECTORY_VARIABLE)] = None,
) -> None:
    """Run one service with the settings in DIR/stack.json, until it is told to end."""
    wiring = importlib.import_module(f"services.{service.value}.wiring")
    wiring.serve(settings.read(data), role.value)

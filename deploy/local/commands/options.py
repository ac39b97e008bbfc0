"""Options that several commands take."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from deploy.local.settings import SERVICES
from deploy.local.stack import DEFAULT_DIRECTORY

Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="Where the stack keeps everything.")]
DEFAULT_DATA = DEFAULT_DIRECTORY

Service = StrEnum("Service", {name.upper(): name for name in SERVICES})  # type: ignore[misc]

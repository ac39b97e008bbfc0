"""`huchuang history`: one claim's whole life, from any of the places that keep it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from deploy.local.commands.options import DEFAULT_DATA, Data
from deploy.local.commands.stack_client import with_client
from deploy.local.histories import history
from services.audit.archive.history import History
from services.audit.archive.timeline import line
from shared.values.clocks import SHANGHAI


class Origin(StrEnum):
    """Where a history is read from."""

    KAFKA = "kafka"
    STORE = "store"
    ARCHIVE = "archive"


def history_command(
    claim_id: Annotated[str, typer.Argument(metavar="CLAIM_ID")],
    data: Data = DEFAULT_DATA,
    origin: Annotated[Origin, typer.Option("--from", help="Which place to rebuild it from.")] = Origin.KAFKA,
    as_of: Annotated[datetime | None, typer.Option("--as-of", help="Only what had happened by then.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Records as JSON instead of a timeline.")] = False,
) -> None:
    """Rebuild a claim's history across all services and print it."""
    moment = as_of.replace(tzinfo=SHANGHAI) if as_of is not None and as_of.tzinfo is None else as_of
    found = with_client(data, lambda client: history(client, claim_id, origin.value, moment))
    if as_json:
        items = [
            {"service": item.service, "position": item.position, "leaf": item.leaf, "record": item.record}
            for item in found.items
        ]
        print(msgspec.json.encode({"claim": found.claim, "items": items}).decode())
    else:
        print_timeline(found)


def print_timeline(found: History) -> None:
    """The history as a table, one line per event, business time in Asia/Shanghai."""
    table = Table(box=None, pad_edge=False)
    for title in ("时间", "服务", "事件", "经办", "位置"):
        table.add_column(title, justify="right" if title == "位置" else "left", overflow="fold")
    for item in found.items:
        told = line(item)
        table.add_row(told.at, told.service, told.what, told.who, str(told.position))
    Console(highlight=False).print(table)

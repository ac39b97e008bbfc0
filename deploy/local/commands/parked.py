"""`huchuang parked`: messages that a service could not handle, and what to do about them."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.local.client import Answer, Client
from deploy.local.commands.options import DEFAULT_DATA, Data
from deploy.local.commands.stack_client import with_client
from deploy.local.failures import StackFailed
from deploy.local.settings import SERVICES

parked = typer.Typer(no_args_is_help=True, help="Messages that a service could not handle.")

Service = Annotated[str, typer.Argument(metavar="SERVICE", help=", ".join(SERVICES))]
Number = Annotated[int, typer.Argument(metavar="ID", help="As `parked list` shows it.")]


@parked.command("list")
def list_all(data: Data = DEFAULT_DATA) -> None:
    """All of every service, oldest first; what stands behind another is served when that is."""
    found = with_client(data, _all)
    console = Console(highlight=False)
    if not found:
        console.print("nothing is parked")
        return
    table = Table("service", "id", "stream", "type", "behind", "attempts", "parked at", "reason")
    for service, item in found:
        told = (item["stream"], item["type"] or "—", item["behind"], item["attempts"], item["parked_at"][:19])
        table.add_row(service, item["id"], *(escape(str(value)) for value in told), escape(item["reason"]))
    console.print(table)


@parked.command("show")
def show(service: Service, id: Number, data: Data = DEFAULT_DATA) -> None:
    """One message with its record; personal fields are sealed, and what is no record is not shown."""
    answer = with_client(data, lambda client: client.get("ops", _known(service), _path(id), expect=(404,)))
    Console(highlight=False).print_json(data=_found(answer))


@parked.command("retry")
def retry(service: Service, id: Number, data: Data = DEFAULT_DATA) -> None:
    """Try all that is parked of its stream again, in order, until one fails again."""
    told = with_client(data, lambda client: _act(client, service, id, "retry", None))
    print(f"{told['served']} tried again, {told['left']} left" + (f": {told['reason']}" if told["reason"] else ""))
    if told["left"]:
        raise typer.Exit(1)


@parked.command("drop")
def drop(
    service: Service,
    id: Number,
    reason: Annotated[str, typer.Option(help="Why its effect is not wanted; it stays on record.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Give a message up: its effect will never come about, and nothing waits behind it any more."""
    with_client(data, lambda client: _act(client, service, id, "drop", {"reason": reason}))
    print("dropped")


async def _all(client: Client) -> list[tuple[str, Any]]:
    return [(service, item) for service in SERVICES for item in await client.all("ops", service, "/v1/parked")]


async def _act(client: Client, service: str, id: int, act: str, body: object | None) -> Any:
    path = f"{_path(id)}:{act}"
    return _found(await client.post("ops", _known(service), path, body, step=path, expect=(404, 409, 422)))


def _path(id: int) -> str:
    return f"/v1/parked/{id}"


def _known(service: str) -> str:
    if service not in SERVICES:
        raise typer.BadParameter(f"there is no service {service}; there are {', '.join(SERVICES)}")
    return service


def _found(answer: Answer) -> Any:
    if answer.status >= 400:
        raise StackFailed(answer.body["detail"])
    return answer.body

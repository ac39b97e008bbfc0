"""`huchuang up`: start the local stack."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.local import stack, state
from deploy.local.brokers import choice
from deploy.local.commands.options import DEFAULT_DATA, Data
from deploy.local.commands.progress import following
from deploy.local.endpoints import Endpoints
from deploy.local.plan import StackOptions


def up(
    data: Data = DEFAULT_DATA,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete what an earlier stack kept there.")] = False,
    port_base: Annotated[int | None, typer.Option(metavar="N", min=1024, max=31000, help="Port of registry.")] = None,
    broker: Annotated[str, typer.Option(metavar=choice.FORMS, help="Which broker.")] = choice.DEFAULT,
    postgres: Annotated[str | None, typer.Option(metavar="URL", help="A superuser on a server of yours.")] = None,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay; Ctrl-C stops the stack.")] = False,
) -> None:
    """Start PostgreSQL, the broker and the six services, and wait until all are ready."""
    try:
        choice.broker_of(broker)
    except ValueError as unsupported:
        raise typer.BadParameter(str(unsupported), param_hint="--broker") from unsupported
    options = StackOptions(port_base=port_base, broker=broker, postgres=postgres, fresh=fresh)
    if not fresh and (now := state.running(data)) is not None and now.phase == "ready":
        print(f"already running in {data.resolve()} (pid {now.pid}); `huchuang down` ends it")
        return
    try:
        with following() as progress:
            endpoints = stack.up(data, options, attached=foreground, progress=progress)
        show(data, endpoints)
        if foreground:
            stack.wait_until_gone(data)
    except KeyboardInterrupt:
        print("stopping")
        stack.down(data)


def show(data: Path, endpoints: Endpoints) -> None:
    """Where everything answers."""
    for service, url in endpoints.services.items():
        print(f"{service:<9} {url}   {url}/docs")
    print(f"console   {endpoints.console}")
    print(f"kafka     {endpoints.kafka}")
    print(f"tokens    {(data / 'endpoints.json').resolve()}")

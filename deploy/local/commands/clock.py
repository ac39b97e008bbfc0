"""`huchuang clock`: where the business clock stands, and moving it on."""

from datetime import datetime, timedelta
from typing import Annotated

import typer

from deploy.local.client import Client
from deploy.local.clock import advance, now_of, progress_of
from deploy.local.commands.options import DEFAULT_DATA, Data
from deploy.local.commands.stack_client import with_client
from shared.values.clocks import SHANGHAI

clock = typer.Typer(no_args_is_help=True, help="The business clock of the sandbox: deadlines, windows, policy dates.")


def _told(moment: datetime) -> str:
    return moment.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M %z")


@clock.command("show")
def show(data: Data = DEFAULT_DATA) -> None:
    """Print the business clock, Asia/Shanghai."""
    progress = with_client(data, progress_of)
    print(_told(now_of(progress)))


@clock.command("advance")
def advance_to(
    data: Data = DEFAULT_DATA,
    days: Annotated[int, typer.Option(min=0, help="By this many days.")] = 0,
    hours: Annotated[int, typer.Option(min=0, help="And this many hours.")] = 0,
    to: Annotated[datetime | None, typer.Option(help="To this moment, Asia/Shanghai.")] = None,
) -> None:
    """Take all services from due time to due time; returns when nothing is due, unsequenced or lagging."""
    if to is None and not days and not hours:
        raise typer.BadParameter("say --days, --hours or --to")

    async def move(client: Client) -> datetime:
        now = now_of(await progress_of(client))
        target = to.replace(tzinfo=SHANGHAI) if to is not None else now + timedelta(days=days, hours=hours)
        if target < now:
            raise typer.BadParameter(f"the clock stands at {_told(now)} and never goes backwards")
        return await advance(client, target, lambda moment: print(f"→ {_told(moment)}"))

    with_client(data, move)

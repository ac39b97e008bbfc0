"""`huchuang rebuild`: make a projection anew from the events, beside the live one."""

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console

from deploy.local.client import Client
from deploy.local.commands.options import DEFAULT_DATA, Data
from deploy.local.commands.stack_client import with_client
from deploy.local.failures import StackFailed
from deploy.local.settings import SERVICES

LOOK_SECONDS = 0.3


def rebuild(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help=", ".join(SERVICES))],
    projection: Annotated[
        str, typer.Argument(metavar="PROJECTION", help="listing, limits or rows; of subsidy also snapshots.")
    ],
    data: Data = DEFAULT_DATA,
) -> None:
    """Build a projection from position 0 while the live one goes on, and switch to it when it has caught up."""
    if service not in SERVICES:
        raise typer.BadParameter(f"there is no service {service}; there are {', '.join(SERVICES)}")
    build = with_client(data, lambda client: _rebuilt(client, service, projection))
    mended = "" if build["mended"] is None else f", {build['mended']} rows mended"
    Console(highlight=False).print(f"{service} {projection}: build {build['build']} is live{mended}")


async def _rebuilt(client: Client, service: str, projection: str) -> dict[str, Any]:
    """Ask for a build and wait until it is live, telling how far it has come."""
    asked = await client.post(
        "ops", service, f"/v1/projections/{projection}:rebuild", {}, step="rebuild", expect=(404,)
    )
    if asked.status == 404:
        raise StackFailed(asked.body["detail"])
    with Console(stderr=True, highlight=False).status(f"{service} {projection}") as told:
        while True:
            items = (await client.get("ops", service, "/v1/projections")).body["items"]
            mine = [item for item in items if item["name"] == projection and item["build"] == asked.body["build"]]
            if not mine or mine[0]["state"] == "retired":
                raise StackFailed("another build of this projection was asked for meanwhile")
            if mine[0]["state"] == "live":
                return dict(mine[0])
            told.update(f"{service} {projection}: {mine[0]['position']} of {mine[0]['head']} events")
            await asyncio.sleep(LOOK_SECONDS)

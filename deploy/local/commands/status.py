"""`huchuang status`: what runs, and whether it is ready right now."""

import json
from typing import Annotated, Any

import httpx
import typer

from deploy.local import state
from deploy.local.commands.options import DEFAULT_DATA, Data
from deploy.local.settings import SERVICES
from deploy.local.state import PartState

NOT_READY = 1


def status(
    data: Data = DEFAULT_DATA,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show each part with its process, address and restarts. Exit code 1 unless all are ready."""
    now = state.running(data)
    parts = [_row(part) for part in now.parts.values()] if now else []
    phase = now.phase if now else "stopped"
    if as_json:
        print(json.dumps({"phase": phase, "pid": now.pid if now else None, "parts": parts}, ensure_ascii=False))
    elif now is None:
        print(f"nothing runs in {data.resolve()}; `huchuang up` starts it")
    else:
        _show(parts)
    if phase != "ready" or not all(part["ready"] for part in parts):
        raise typer.Exit(NOT_READY)


def _row(part: PartState) -> dict[str, Any]:
    row = {"part": part.name, "pid": part.pid, "url": part.url, "ready": part.ready, "restarts": part.restarts}
    return {**row, **_asked(part)} if part.name in SERVICES else row


def _asked(part: PartState) -> dict[str, Any]:
    """What the service itself says."""
    try:
        answer = httpx.get(f"{part.url}/readyz", trust_env=False, timeout=3)
        said = answer.json()
    except (httpx.TransportError, ValueError):
        return {"ready": False}
    if not isinstance(said, dict):
        return {"ready": False}
    wrong = {name: check for name, check in said.get("checks", {}).items() if check != "ok"}
    return {"ready": answer.status_code == httpx.codes.OK, "wrong": wrong}


def _show(parts: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("part", "pid", "url", "ready", "restarts", box=None)
    for part in parts:
        ready = "[green]yes[/green]" if part["ready"] else "[red]no[/red]"
        table.add_row(part["part"], str(part["pid"] or "-"), part["url"], ready, str(part["restarts"]))
    console = Console()
    console.print(table)
    for part in parts:
        for name, wrong in part.get("wrong", {}).items():
            console.print(f"{part['part']} {name}: {wrong}", markup=False)

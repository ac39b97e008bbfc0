"""`huchuang demo` and `huchuang run`: the city, live."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from deploy.local import stack, state
from deploy.local.commands.history import print_timeline
from deploy.local.commands.options import DEFAULT_DATA, Data
from deploy.local.commands.progress import following
from deploy.local.commands.stack_client import reachable, with_client
from deploy.local.commands.up import show
from deploy.local.demo.run import Outcome, Story, demo, one_at_a_time
from deploy.local.endpoints import Endpoints
from deploy.local.failures import StackFailed
from deploy.local.histories import history
from deploy.local.plan import StackOptions

Founders = Annotated[int, typer.Option(min=1, max=20_000, help="How many founders.")]
FOUNDERS = 40


def demo_command(
    data: Data = DEFAULT_DATA,
    founders: Founders = FOUNDERS,
    as_json: Annotated[bool, typer.Option("--json", help="End with the figures as one JSON line.")] = False,
) -> None:
    """Train, subsidise and whitelist a city's founders through the public APIs, then rebuild every claim's history."""
    endpoints = reachable(data)
    outcome = _live(endpoints, data, founders)
    if as_json:
        print(json.dumps(msgspec.to_builtins(outcome.figures)))
    else:
        _tell(data, outcome)
    _insist(outcome)


def run_command(
    data: Data = DEFAULT_DATA,
    founders: Founders = FOUNDERS,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete what an earlier stack kept there.")] = False,
) -> None:
    """Start the stack, run the demo, and stay until Ctrl-C. What `make run` does."""
    attached = fresh or state.running(data) is None
    try:
        with following() as progress:
            endpoints = stack.up(data, StackOptions(fresh=fresh), attached=attached, progress=progress)
        outcome = _live(endpoints, data, founders)
        _insist(outcome)
        _tokens(endpoints)
        _tell(data, outcome)
        show(data, endpoints)
        _invite(endpoints, data, outcome)
        if attached:
            stack.wait_until_gone(data)
    except KeyboardInterrupt:
        print("\nstopping")
    finally:
        if attached:
            stack.down(data)


def _live(endpoints: Endpoints, data: Path, founders: int) -> Outcome:
    console = Console(stderr=True)
    with console.status("") as line:

        def tell(text: str, done: bool) -> None:
            if done:
                console.print(f"[green]✓[/green] {text}", highlight=False)
            else:
                line.update(text)

        with one_at_a_time(data):
            return asyncio.run(demo(endpoints, data, founders, Story(tell)))


def _tell(data: Path, outcome: Outcome) -> None:
    figures = outcome.figures
    found = with_client(data, lambda client: history(client, outcome.claim_id, "archive"))
    print(f"\n一个申请的完整历史（{outcome.claim_id}）\n")
    print_timeline(found)
    print(
        f"\n第 {outcome.run} 次演示，{outcome.seconds:.0f} 秒：申请 {figures.claims} 件，发放 {figures.paid} 件，"
        f"不予批准 {figures.rejected} 件，白名单生效 {figures.whitelisted} 人，通知 {figures.messages} 条；"
        f"历史比对 {figures.histories_compared} 件，一致 {figures.histories_identical} 件\n"
    )


def _insist(outcome: Outcome) -> None:
    """A demo with a history that differs has failed."""
    different = [item for item in outcome.comparisons if item.findings]
    if different:
        for item in different:
            print(f"{item.claim_id}: {'；'.join(item.findings)}", file=sys.stderr)
        raise StackFailed(f"{len(different)} histories are not identical")


def _tokens(endpoints: Endpoints) -> None:
    """Every sandbox token, first of all, so that they do not bury what is worth reading."""
    print("sandbox tokens")
    for role, value in endpoints.tokens.items():
        print(f"  {role:<26} {value}")


def _invite(endpoints: Endpoints, data: Path, outcome: Outcome) -> None:
    """Three things to try, as they can be pasted into a shell."""
    file = data / "endpoints.json"

    def token(role: str) -> str:
        return f'$(python3 -c \'import json;print(json.load(open("{file}"))["tokens"]["{role}"])\')'

    services = endpoints.services
    print(f"""
try
  # one claim, as subsidy shows it
  curl -s -H "Authorization: Bearer {token("app")}" {services["subsidy"]}/v1/claims/{outcome.claim_id}
  # its whole life across the services, with a hash under every event
  curl -s -H "Authorization: Bearer {token("auditor")}" {services["audit"]}/v1/claims/{outcome.claim_id}/history
  # what the public sees of a notice while it is up
  curl -s '{services["subsidy"]}/notices?format=json'

in a browser: {endpoints.console}        Ctrl-C stops everything""")

"""`huchuang bench`: speed as ratios, each measured beside its peer in one run. Needs the clone: the peers are tests."""

import importlib
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parents[3]
BARS = {
    "claim_post_vs_bare_insert": (">=", 0.75),
    "whitelist_check_vs_bare_get": (">=", 0.8),
    "edge_cost": ("<=", 0.25),
    "append_vs_eventsourcing": (">=", 5.0),
    "command_vs_eventsourcing": (">=", 5.0),
    "fold_vs_eventsourcing_read": (">=", 2.0),
    "sequenced_p99_ms": ("<", 50.0),
    "append_at_10m_vs_10k": (">=", 0.9),
    "load_at_10m_vs_10k": (">=", 0.9),
    "warm_start_s": ("<", 10.0),
    "cross_service_p99_ms": ("<", 250.0),
    "audit_visible_p99_ms": ("<", 250.0),
    "consume_vs_plain": (">=", 10.0),
    "rebuild_events_per_s": (">=", 100_000.0),
}


def bench(
    rounds: Annotated[int, typer.Option(min=5, help="Alternating rounds; the medians are reported.")] = 9,
    only: Annotated[
        list[str] | None, typer.Option(metavar="SCENE", help="Only these; `volume` runs only when it is named.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The results as JSON.")] = False,
) -> None:
    """Measure, and say what was asked for."""
    sys.path.insert(0, str(ROOT))
    benches = importlib.import_module("tests.bench.run")
    try:
        found = benches.run(rounds, only or [], lambda name: print(f"… {name}", file=sys.stderr))
    except benches.NoSuchScene as error:
        raise typer.BadParameter(str(error)) from error
    if as_json:
        print(json.dumps(found))
        return
    for name, value in found["results"].items():
        bar = BARS.get(name)
        print(f"{name:<40} {value:>10}   {f'bar {bar[0]} {bar[1]}' if bar else ''}")

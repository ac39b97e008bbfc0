"""`huchuang bench`: speed as ratios, each measured beside its peer in one run. Needs the clone: the peers are tests."""

import importlib
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parents[3]
BARS = {
    "claim_post_vs_bare_insert": (">=", 0.5),
    "whitelist_check_vs_bare_get": (">=", 0.8),
    "warm_start_s": ("<", 10.0),
}


def bench(
    rounds: Annotated[int, typer.Option(min=5, help="Alternating rounds; the medians are reported.")] = 9,
    only: Annotated[list[str] | None, typer.Option(metavar="SCENE", help="Only these.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The results as JSON.")] = False,
) -> None:
    """Measure, and say what was asked for."""
    sys.path.insert(0, str(ROOT))
    found = importlib.import_module("tests.bench.run").run(
        rounds, only or [], lambda name: print(f"… {name}", file=sys.stderr)
    )
    if as_json:
        print(json.dumps(found))
        return
    for name, value in found["results"].items():
        bar = BARS.get(name)
        print(f"{name:<32} {value:>10}   {f'bar {bar[0]} {bar[1]}' if bar else ''}")

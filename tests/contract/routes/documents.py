"""API documents: docs/api/<service>.json is written from the code.

`python -m tests.contract.routes.documents [SERVICE …]` writes it anew. A change that would break a caller is refused.
Where it is meant, delete the file and write it anew, so that the diff shows what callers are asked to bear.
The documents are those of production: what only the sandbox has is not in them.
"""

import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from fastapi import FastAPI

from shared.contracts.api_compatibility import breaking
from shared.runtime.serve import build
from shared.runtime.settings import Settings
from tests.contract.events.tree import definitions

ROOT = Path(__file__).resolve().parents[3]
SERVICES = ("registry", "training", "subsidy", "loans", "notify", "audit")


@cache
def application(service: str, profile: str = "local") -> FastAPI:
    """The service as it would be served, without anything started."""
    settings = SimpleNamespace(profile=profile, kafka="127.0.0.1:1", databases={}, directory="", services={})
    return build(definitions()[service], cast(Settings, settings), "all")


def document(service: str) -> dict[str, Any]:
    return application(service, "production").openapi()


def path_of(service: str) -> Path:
    return ROOT / "docs/api" / f"{service}.json"


def written(document: dict[str, Any]) -> bytes:
    """The bytes of the file; the same document gives the same bytes."""
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def write(service: str) -> list[str]:
    """Write one service's document; when it would break a caller, write nothing and return why."""
    path, new = path_of(service), document(service)
    findings = breaking(json.loads(path.read_bytes()), new) if path.exists() else []
    if not findings:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written(new))
    return findings


def main(names: Sequence[str]) -> int:
    refused = False
    for service in names or SERVICES:
        findings = write(service)
        refused = refused or bool(findings)
        for finding in findings:
            print(f"{service}: {finding}")
        print(f"{service}: {'refused' if findings else 'written'}")
    return int(refused)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

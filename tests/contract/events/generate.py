"""Writes services/<name>/contracts/events.json: `python -m tests.contract.events.generate [SERVICE …]`.

A change that would break a reader of the file is refused; it needs a new tag and an upcaster. Only for events that
no installation has ever written: delete the file and generate it anew, so that the diff shows what was given up.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from shared.contracts.compatibility import compatible
from shared.contracts.schemas import contract, document, read_document
from shared.runtime.definition import ServiceDefinition
from tests.contract.events.tree import contract_of, definitions


def write(definition: ServiceDefinition, path: Path) -> list[str]:
    """Write one service's contract; when it would break a reader, write nothing and return why."""
    old = read_document(path.read_bytes()) if path.exists() else {}
    new = contract(definition.aggregates, definition.upcasts, old)
    if findings := compatible(old, new):
        return findings
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document(new))
    return []


def main(names: Sequence[str]) -> int:
    refused = False
    for name in names or definitions():
        findings = write(definitions()[name], contract_of(name))
        refused = refused or bool(findings)
        for finding in findings:
            print(f"{name}: {finding}")
        print(f"{name}: {'refused' if findings else 'written'}")
    return int(refused)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

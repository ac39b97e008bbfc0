"""Each service's migrations are one chain, numbered without a gap: two branches that took a number do not merge."""

import re
from pathlib import Path

import pytest

SERVICES = Path(__file__).parents[2] / "services"


@pytest.mark.parametrize("service", sorted(path.parent.name for path in SERVICES.glob("*/migrations")))
def test_the_migrations_of_a_service_are_one_chain(service: str) -> None:
    files = sorted((SERVICES / service / "migrations/versions").glob("[0-9]*.py"))
    texts = [file.read_text(encoding="utf-8") for file in files]
    found = [re.search(r'^revision = "(\d+)"\ndown_revision = (?:"(\d+)"|None)$', text, re.M) for text in texts]
    numbers = [f"{n:04}" for n in range(1, len(files) + 1)]
    assert [file.name[:4] for file in files] == numbers
    assert [match.groups() for match in found if match] == list(zip(numbers, [None, *numbers], strict=False))

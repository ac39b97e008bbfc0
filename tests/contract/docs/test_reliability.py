"""docs/reliability.md is what the runs have left, and nothing else."""

from tests.faults.report import DOCUMENT, read, render


def test_the_document_is_made_of_the_results() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render(read())

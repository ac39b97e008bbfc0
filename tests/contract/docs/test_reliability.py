"""docs/reliability.md is what the runs have left, and nothing else."""

from pathlib import Path

import pytest

from tests.faults import report
from tests.faults.report import DOCUMENT, VARIABLE, Result, keep, main, read, render

KILLED = Result("killed", "every service", 3, "all holds", "5eed", {"audit receive.taken": 3})


def test_the_document_is_made_of_the_results() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render(read())


def test_a_run_s_results_take_the_place_of_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results.jsonl")
    monkeypatch.setattr(report, "DOCUMENT", tmp_path / "reliability.md")
    monkeypatch.setattr(report, "checked_out", lambda: "c0ffee")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "fresh.jsonl"))
    report.RESULTS.write_bytes(b"of another run")
    keep(KILLED)
    keep(KILLED)
    main(str(tmp_path / "fresh.jsonl"))
    made = report.DOCUMENT.read_text(encoding="utf-8")
    assert "| killed | every service | 2 | 6 | all holds | 5eed |\n" in made
    assert "The code was that of `c0ffee`." in made
    assert "| `receive.taken` |  |  |  |  |  | 6 |\n" in made

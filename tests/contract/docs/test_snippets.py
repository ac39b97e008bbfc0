"""The code in the documents is that of tests which run."""

from pathlib import Path

import pytest

from tests.contract.docs.snippets import BLOCK, ROOT, cut, documents, renewed

WITH_SNIPPETS = [path for path in documents() if "<!-- snippet:" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", WITH_SNIPPETS, ids=lambda path: str(path.relative_to(ROOT)))
def test_snippets_are_as_in_their_tests(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("<!-- snippet:") == len(BLOCK.findall(text)), "a snippet without its code block"
    assert text == renewed(text), "run: python -m tests.contract.docs.snippets"


def test_there_are_documents_with_snippets() -> None:
    assert WITH_SNIPPETS


def test_a_snippet_that_there_is_not_is_named() -> None:
    with pytest.raises(LookupError, match="no-such"):
        cut("tests/contract/docs/test_snippets.py", "no-such")

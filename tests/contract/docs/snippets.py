"""Snippets: code in documents is cut from tests that run.

In a document, `<!-- snippet: tests/…/test_x.py#name -->` stands before a code block; in the test, `# snippet: name` and
`# end snippet` enclose the lines. `python -m tests.contract.docs.snippets` puts them into the documents anew.
"""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BLOCK = re.compile(r"<!-- snippet: (?P<path>[^#\s]+)#(?P<name>[\w-]+) -->\n```python\n(?P<code>.*?)```\n", re.DOTALL)


def documents() -> Iterator[Path]:
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").rglob("*.md"))


def cut(path: str, name: str) -> str:
    """The lines of a snippet, without their common indentation. Raises LookupError when there is none."""
    found = re.search(
        rf"^ *# snippet: {re.escape(name)}\n(.*?)^ *# end snippet\n",
        (ROOT / path).read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    if found is None:
        raise LookupError(f"{path} has no snippet {name}")
    return textwrap.dedent(found[1]).strip("\n") + "\n"


def renewed(document: str) -> str:
    """The document with each snippet as it is in its test now."""

    def one(block: re.Match[str]) -> str:
        path, name = block["path"], block["name"]
        return f"<!-- snippet: {path}#{name} -->\n```python\n{cut(path, name)}```\n"

    return BLOCK.sub(one, document)


def main() -> None:
    for path in documents():
        text = path.read_text(encoding="utf-8")
        if renewed(text) != text:
            path.write_text(renewed(text), encoding="utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()

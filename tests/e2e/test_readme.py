"""Every command of README and guides is run as it stands, against a stack of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import ports, stack
from deploy.local.plan import StackOptions

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
GUIDE = ROOT / "docs/guides/zh/运行与试用.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)\)")


def script(document: Path) -> tuple[list[str], str]:
    """The `make` targets that a document names, and the rest of its commands as one script."""
    lines = "".join(BLOCK.findall(document.read_text())).splitlines()
    targets = [line.split()[1] for line in lines if line.startswith("make ")]
    return targets, "\n".join(line for line in lines if not line.startswith("make "))


@pytest.fixture(scope="module")
def own_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """That of a stack of its own: the session's may have used up the year for which there is a policy."""
    chosen = tmp_path_factory.mktemp("documents")
    stack.up(chosen, StackOptions(port_base=ports.find_base(23101)))
    try:
        yield chosen
    finally:
        stack.down(chosen)


@pytest.mark.parametrize("document", [README, GUIDE], ids=lambda document: document.stem)
def test_every_command_does_what_the_document_says(document: Path, own_directory: Path, tmp_path: Path) -> None:
    """Nothing is replaced: `DIR` is the one variable that a reader may set, `.venv/bin` the environment that runs."""
    targets, commands = script(document)
    made = (ROOT / "Makefile").read_text()
    assert targets
    assert all(re.search(rf"^{target}:.*## ", made, re.MULTILINE) for target in targets)
    assert commands.count("huchuang") > 5
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    done = subprocess.run(
        ["sh", "-eux", "-c", commands],
        cwd=tmp_path,
        env={**os.environ, "DIR": str(own_directory)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "✗" not in done.stdout
    assert done.stdout.count("✓") >= 7


def test_no_link_of_the_documents_leads_nowhere() -> None:
    documents = [README, *sorted((ROOT / "docs").rglob("*.md"))]
    assert len(documents) >= 6
    for document in documents:
        for link in LINK.findall(document.read_text()):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text()
    records = sorted((ROOT / "docs/decisions").glob("0*.md"))
    assert len(records) >= 2
    assert [record.name for record in records if f"]({record.name})" not in index] == []


def test_the_readme_stays_on_one_screen_or_three() -> None:
    assert len(README.read_text().splitlines()) <= 150

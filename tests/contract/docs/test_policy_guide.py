"""The guide to policies names every word, parameter and part of a version, and no others."""

import re
from pathlib import Path
from typing import get_args

import pytest

from services.subsidy.domain.policy_version import Check, Fixed, Parameters, PerUnit, PolicyVersion
from services.subsidy.policies import shipped

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/guides/zh/政策版本.md").read_text(encoding="utf-8")
WORDS = {str(word.__struct_config__.tag) for word in get_args(Check)}


def table_under(heading: str) -> set[str]:
    """The words in the first column of the table under a heading."""
    section = GUIDE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return {word for row in re.findall(r"^\| (`[^|]*`) \|", section, re.M) for word in re.findall(r"`(\w+)`", row)}


def test_every_word_of_the_vocabulary_is_explained() -> None:
    assert table_under("规则的词") - {"op"} == WORDS


def test_every_part_of_a_version_is_explained() -> None:
    assert table_under("各部分") == set(PolicyVersion.__struct_fields__)


@pytest.mark.parametrize(
    "name", [*Parameters.__struct_fields__, Fixed.__struct_config__.tag, PerUnit.__struct_config__.tag]
)
def test_every_parameter_and_kind_of_amount_is_explained(name: str) -> None:
    assert f"`{name}`" in GUIDE


def test_the_files_that_ship_are_listed() -> None:
    files = {path.name for path in (ROOT / "services/subsidy/policies").glob("*.json")}
    assert set(re.findall(r"`([\w.-]+\.json)`", GUIDE)) == files
    assert len(files) == len(shipped())

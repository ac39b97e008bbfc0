"""Template: the text of a kind of message, zh-CN, as data; a text that was sent never changes, a new one is a `v2`."""

from collections.abc import Mapping
from datetime import date
from typing import Literal

import msgspec

SubjectKind = Literal["claim", "whitelist_entry", "certificate"]
ParamKind = Literal["day", "money", "word"]


class Template(msgspec.Struct, frozen=True):
    """`params` says of each parameter how it is shown: a day, CNY, or a code that has a word for it."""

    name: str
    subject_kind: SubjectKind
    title: str
    text: str
    params: dict[str, ParamKind] = {}


class Catalogue(msgspec.Struct, frozen=True):
    """All templates by name, and the words for the codes in their parameters."""

    templates: dict[str, Template]
    words: dict[str, str]


class Rendered(msgspec.Struct, frozen=True):
    title: str
    text: str


def render(catalogue: Catalogue, name: str, params: Mapping[str, str]) -> Rendered:
    """The title and text of a message. Raises `KeyError` for a template or parameter that does not exist."""
    template = catalogue.templates[name]
    shown = {key: _show(catalogue, kind, params[key]) for key, kind in template.params.items()}
    return Rendered(template.title, template.text.format_map(shown))


def _show(catalogue: Catalogue, kind: ParamKind, value: str) -> str:
    match kind:
        case "day":
            day = date.fromisoformat(value)
            return f"{day.year}年{day.month}月{day.day}日"
        case "money":
            return f"{value}元"
        case "word":
            return catalogue.words.get(value, "其他原因")

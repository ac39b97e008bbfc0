"""Which changes of an event break a reader, rule by rule and over any schema."""

from copy import deepcopy
from decimal import Decimal
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given as every
from hypothesis import settings
from hypothesis import strategies as st

from shared.contracts.compatibility import compatible
from shared.contracts.schemas import event_schemas
from shared.eventstore.decider import Aggregate, Event

Schema = dict[str, Any]
TAG = "test.Happened.v1"


class Inner(msgspec.Struct, frozen=True):
    n: int
    note: str = ""


class Less(msgspec.Struct, frozen=True):
    n: int


class More(msgspec.Struct, frozen=True):
    n: int
    note: str = ""
    more: str | None = None


def schemas(default: object = msgspec.NODEFAULT, **fields: Any) -> dict[str, Schema]:
    """The schemas of one event with these fields; `default` is that of the last one."""
    listed: list[Any] = list(fields.items())
    if default is not msgspec.NODEFAULT:
        listed[-1] = (*listed[-1], default)
    kind: Any = msgspec.defstruct("Happened", listed, bases=(Event,), frozen=True, tag=TAG, kw_only=True)
    return event_schemas([Aggregate("x", (kind,), object, lambda state, _: state)])


OLD = schemas(a=str, b=int)
FINE = {
    "the same": (OLD, OLD),
    "an event more": (OLD, {**OLD, "test.Another.v1": OLD[TAG]}),
    "a field more that has a default": (OLD, schemas(a=str, b=int, c=str | None, default=None)),
    "fields in another order": (OLD, schemas(b=int, a=str)),
    "an enumeration that grows": (schemas(a=Literal["x"]), schemas(a=Literal["x", "y"])),
    "an enumeration that becomes free text": (schemas(a=Literal["x"]), schemas(a=str)),
    "a part with a field more that has a default": (schemas(a=Inner), schemas(a=More)),
    "parts with a field more that has a default": (schemas(a=tuple[Inner, ...]), schemas(a=tuple[More, ...])),
    "an optional part with a field more": (schemas(a=Inner | None), schemas(a=More | None)),
}
BROKEN = {
    "an event is gone": (OLD, {}, "the event is gone"),
    "a field is gone": (OLD, schemas(a=str), "/b: the field is gone"),
    "a field is renamed": (OLD, schemas(a=str, c=int), "/b: the field is gone"),
    "a field more without a default": (OLD, schemas(a=str, b=int, c=str), "/c: a new field must have a default"),
    "another type": (OLD, schemas(a=str, b=str), "/b: the type was integer and is string"),
    "money instead of text": (OLD, schemas(a=Decimal, b=int), "/a: format was None and is decimal"),
    "what was certain may be missing": (OLD, schemas(a=str, b=int, default=0), "/b: the field was always there"),
    "what could be missing is required": (schemas(a=str, default=""), schemas(a=str), "/a: the field is required now"),
    "the default means something else": (schemas(a=int, default=1), schemas(a=int, default=2), "/a: the default was 1"),
    "a value of an enumeration is gone": (
        schemas(a=Literal["x", "y"]),
        schemas(a=Literal["x"]),
        "/a: the value 'y' is gone",
    ),
    "free text becomes an enumeration": (schemas(a=str), schemas(a=Literal["x"]), "/a: was free"),
    "what was never null can be": (schemas(a=str), schemas(a=str | None), "/a: the type can now be null as well"),
    "what could be null cannot": (schemas(a=str | None), schemas(a=str), "/a: the type could be null"),
    "a field of a part is gone": (schemas(a=Inner), schemas(a=Less), "/a/note: the field is gone"),
    "a field of a part in a list is gone": (
        schemas(a=tuple[Inner, ...]),
        schemas(a=tuple[Less, ...]),
        "/a/*/note: the field is gone",
    ),
    "a list of other things": (schemas(a=tuple[str, ...]), schemas(a=tuple[int, ...]), "/a/*: the type was"),
    "a table of other things": (schemas(a=dict[str, str]), schemas(a=dict[str, int]), "/a/*: the type was"),
    "a pair becomes a list": (schemas(a=tuple[int, int]), schemas(a=tuple[int, ...]), "/a: "),
}


@pytest.mark.parametrize("case", FINE)
def test_what_a_tolerant_reader_does_not_notice_is_compatible(case: str) -> None:
    old, new = FINE[case]
    assert compatible(old, new) == []


@pytest.mark.parametrize("case", BROKEN)
def test_what_breaks_a_reader_is_a_finding_that_says_where(case: str) -> None:
    old, new, expected = BROKEN[case]
    findings = compatible(old, new)
    assert any(finding.startswith(TAG) and expected in finding for finding in findings), findings


class Tree(msgspec.Struct, frozen=True):
    name: str
    below: tuple["Tree", ...] = ()


def test_a_part_that_contains_itself_is_compared_once() -> None:
    assert compatible(schemas(a=Tree), schemas(a=Tree)) == []
    broken = deepcopy(schemas(a=Tree))
    del broken[TAG]["$defs"]["Tree"]["properties"]["name"]
    assert compatible(schemas(a=Tree), broken)


# -- any schema --------------------------------------------------------------------------------------------------------

FEW = settings(max_examples=50, deadline=None)
NAMES = st.sampled_from("abcdefgh")
PLAIN: st.SearchStrategy[Schema] = st.sampled_from(
    [{"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"enum": ["x", "y"]}]
)


def objects(inside: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    def build(fields: dict[str, tuple[Schema, bool]]) -> Schema:
        return {
            "type": "object",
            "properties": {name: schema for name, (schema, _) in fields.items()},
            "required": sorted(name for name, (_, required) in fields.items() if required),
        }

    return st.dictionaries(NAMES, st.tuples(inside, st.booleans()), min_size=1, max_size=4).map(build)


VALUES: st.SearchStrategy[Schema] = st.recursive(
    PLAIN,
    lambda inside: st.one_of(
        inside.map(lambda item: {"type": "array", "items": item}),
        inside.map(lambda item: {"anyOf": [item, {"type": "null"}]}),
        objects(inside),
    ),
    max_leaves=8,
)
EVENTS = objects(VALUES)


@FEW
@every(EVENTS)
def test_every_schema_is_compatible_with_itself(schema: Schema) -> None:
    assert compatible({TAG: schema}, {TAG: deepcopy(schema)}) == []


@FEW
@every(EVENTS, EVENTS)
def test_more_events_never_break_a_reader(schema: Schema, another: Schema) -> None:
    assert compatible({TAG: schema}, {TAG: schema, "test.Another.v1": another}) == []
    assert compatible({TAG: schema, "test.Another.v1": another}, {TAG: schema}) == [
        "test.Another.v1: the event is gone"
    ]


@FEW
@every(EVENTS, VALUES)
def test_a_new_field_is_compatible_exactly_when_it_may_be_missing(schema: Schema, value: Schema) -> None:
    grown = deepcopy(schema)
    grown["properties"]["new"] = value
    assert compatible({TAG: schema}, {TAG: grown}) == []
    grown["required"] = [*grown["required"], "new"]
    assert compatible({TAG: schema}, {TAG: grown}) == [f"{TAG}/new: a new field must have a default"]


@FEW
@every(EVENTS, st.data())
def test_a_field_that_goes_changes_its_type_or_its_certainty_is_a_finding(schema: Schema, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(schema["properties"])))
    gone, other, uncertain = deepcopy(schema), deepcopy(schema), deepcopy(schema)
    del gone["properties"][name]
    gone["required"] = [item for item in gone["required"] if item != name]
    other["properties"][name] = {"type": "number"}
    uncertain["required"] = sorted({*schema["required"]} ^ {name})
    for broken in (gone, other, uncertain):
        findings = compatible({TAG: schema}, {TAG: broken})
        assert findings
        assert all(finding.startswith(f"{TAG}/{name}") for finding in findings)

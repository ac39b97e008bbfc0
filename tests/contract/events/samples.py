"""Samples of any event, made from its struct: one that is always the same, and any that hypothesis can think of."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from shared.eventstore.decider import Event
from shared.eventstore.record import encode_payload
from shared.values.encoded import KIND, encoded
from shared.values.ids import PREFIXES, new_id
from shared.values.personal import Clear, Sealed

DAY = date(2025, 3, 3)
MOMENT = datetime(2025, 3, 3, 1, tzinfo=UTC)
SUBJECT = new_id("per", UUID(int=7 << 76 | 2 << 62 | 1))


def sealed_for_tests(value: Clear[Any], field: int) -> Sealed[Any]:
    """A sealer without a key: the shape on the wire is the real one."""
    return Sealed(value.subject, "sm4-gcm", field, b"sealed")


def payload_of(event: Event) -> bytes:
    """The payload bytes as the store would write them."""
    return encode_payload(event, sealed_for_tests)


# -- one that is always the same ---------------------------------------------------------------------------------------


def example(kind: type[Event]) -> Any:
    """The same event every time; fields of one name have one value in all events, so that ids and numbers meet."""
    return _example(kind, kind.__name__)


def _example(kind: Any, name: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, NewType):
        prefix = PREFIXES.get(kind.__name__)
        return new_id(prefix, UUID(int=7 << 76 | 2 << 62 | 1)) if prefix else _example(kind.__supertype__, name)
    if origin is Annotated:
        meta = arguments[1]
        return encoded(_example(meta.extra[KIND], name)) if meta.extra else _example(arguments[0], name)
    if origin is Literal:
        return arguments[0]
    if origin is Sealed:
        return Clear(SUBJECT, _example(arguments[0], name))
    if origin in (Union, UnionType):
        return _example(next(item for item in arguments if item is not type(None)), name)
    if origin in (tuple, list, frozenset, set):
        inside = [item for item in arguments if item is not Ellipsis]
        return origin(_example(item, name) for item in inside)
    if origin is dict:
        return {_example(arguments[0], name): _example(arguments[1], name)}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind(**{field.name: _example(field.type, field.name) for field in msgspec.structs.fields(kind)})
    plain: dict[Any, Any] = {
        str: name, int: 1, bool: True, date: DAY, datetime: MOMENT, Decimal: Decimal("1800.00"), bytes: b"bytes",
        UUID: UUID(int=7 << 76 | 2 << 62 | 1),
    }  # fmt: skip
    return plain[kind]


# -- any of them -------------------------------------------------------------------------------------------------------


@cache
def anything_like(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of an annotation, personal values in clear; a field with a default sometimes keeps it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, NewType):
        prefix = PREFIXES.get(kind.__name__)
        if prefix is None:
            return anything_like(kind.__supertype__)
        return st.uuids().map(lambda uuid: new_id(prefix, uuid))
    if origin is Annotated:
        meta = arguments[1]
        return _within(meta) if meta.extra is None else anything_like(meta.extra[KIND]).map(encoded)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is Sealed:
        return anything_like(arguments[0]).map(lambda value: Clear(SUBJECT, value))
    if origin in (Union, UnionType):
        return st.one_of([anything_like(item) for item in arguments])
    if origin is tuple and Ellipsis not in arguments:
        return st.tuples(*(anything_like(item) for item in arguments))
    if origin in (tuple, list, frozenset, set):
        make: Callable[[Any], Any] = origin
        return st.lists(anything_like(arguments[0]), max_size=2).map(make)
    if origin is dict:
        return st.dictionaries(anything_like(arguments[0]), anything_like(arguments[1]), max_size=2)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return st.deferred(lambda: _any_struct(kind))
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(min_size=1, max_size=12),
        int: st.integers(0, 2**31 - 1),
        bool: st.booleans(),
        date: st.dates(date(1950, 1, 1), date(2100, 1, 1)),
        datetime: st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        Decimal: st.decimals(0, 10**9, places=2),
        bytes: st.binary(max_size=20),
        UUID: st.uuids(),
        type(None): st.none(),
    }
    return plain[kind]


def _any_struct(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    return st.builds(kind, **{field.name: _any_field(field) for field in msgspec.structs.fields(kind)})


def _within(meta: msgspec.Meta) -> st.SearchStrategy[str]:
    """Text of the form, or the length, that an annotation sets."""
    most = meta.max_length or 40
    if meta.pattern is not None:
        return st.from_regex(meta.pattern, fullmatch=True).map(str.strip).filter(lambda text: len(text) <= most)
    return st.text(min_size=meta.min_length or 0, max_size=min(most, 12))


def _any_field(field: msgspec.structs.FieldInfo) -> st.SearchStrategy[Any]:
    given = anything_like(field.type)
    if field.default is not msgspec.NODEFAULT:
        return st.one_of(st.just(field.default), given)
    return given if field.default_factory is msgspec.NODEFAULT else st.one_of(st.builds(field.default_factory), given)

"""Records: written once, byte for byte; read in their newest form; personal values numbered as they are met."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given as every
from hypothesis import settings
from hypothesis import strategies as st

from shared.eventstore.decider import Aggregate, Event, Upcast
from shared.eventstore.record import (
    Actor,
    EventTypes,
    Record,
    UnknownEventType,
    canonical,
    encode_payload,
    parse,
    tag_of,
)
from shared.values.personal import Clear, Personal, Sealed
from tests.contract.events.samples import anything_like, payload_of, sealed_for_tests
from tests.contract.events.tree import definitions, event_classes

MOMENT = datetime(2025, 3, 3, 1, tzinfo=UTC)
FEW = settings(max_examples=80, deadline=None)


def record(**changes: Any) -> Record:
    fields: dict[str, Any] = {
        "id": UUID(int=1),
        "stream": "clm_1",
        "version": 1,
        "log_id": UUID(int=2),
        "type": "test.Told.v1",
        "recorded_at": MOMENT,
        "occurred_at": MOMENT,
        "actor": Actor("app"),
        "causation_id": None,
        "correlation_id": None,
        "traceparent": None,
        "payload": msgspec.Raw(b"{}"),
    }
    return Record(**{**fields, **changes})


MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
OPTIONAL = st.none() | st.uuids()
RECORDS = st.builds(
    record,
    id=st.uuids(),
    stream=st.text(),
    version=st.integers(1, 2**31 - 1),
    log_id=st.uuids(),
    type=st.text(),
    recorded_at=MOMENTS | st.just(MOMENT),
    occurred_at=MOMENTS | st.just(MOMENT.replace(microsecond=1)) | st.just(MOMENT.replace(microsecond=100_000)),
    actor=st.builds(Actor, st.text(), st.none() | st.text(), st.none() | st.text()),
    causation_id=OPTIONAL,
    correlation_id=OPTIONAL,
    traceparent=st.none() | st.text(),
    payload=st.dictionaries(st.text(), st.text() | st.integers(), max_size=3).map(
        lambda value: msgspec.Raw(msgspec.json.encode(value))
    ),
)


@FEW
@every(RECORDS)
def test_what_was_written_is_read_and_written_again_byte_for_byte(written: Record) -> None:
    data = canonical(written)
    assert canonical(parse(data)) == data
    again = parse(data)
    assert bytes(again.payload) == bytes(written.payload)
    assert (again.recorded_at, again.occurred_at, again.actor) == (
        written.recorded_at,
        written.occurred_at,
        written.actor,
    )


@pytest.mark.parametrize("microsecond", [0, 1, 10, 100_000, 120_000, 123_456, 999_999])
def test_a_moments_microseconds_come_back_as_they_were_also_none(microsecond: int) -> None:
    data = canonical(record(recorded_at=MOMENT.replace(microsecond=microsecond)))
    assert canonical(parse(data)) == data
    assert parse(data).recorded_at.microsecond == microsecond


def test_the_payloads_bytes_are_kept_spaces_and_all() -> None:
    odd = b'{ "b" : 1.50,\t"a":"\\u6b27" ,"b":2}'
    data = canonical(record(payload=msgspec.Raw(odd)))
    assert odd in data
    assert canonical(parse(data)) == data


def test_a_moment_of_another_zone_is_the_same_bytes_after_reading() -> None:
    data = canonical(record(occurred_at=MOMENT.astimezone(timezone(timedelta(hours=8)))))
    assert canonical(parse(data)) == data
    assert parse(data).occurred_at == MOMENT


def test_the_order_of_the_envelope_is_fixed() -> None:
    assert Record.__struct_fields__ == (
        "id",
        "stream",
        "version",
        "log_id",
        "type",
        "recorded_at",
        "occurred_at",
        "actor",
        "causation_id",
        "correlation_id",
        "traceparent",
        "payload",
    )
    assert list(msgspec.json.decode(canonical(record()))) == list(Record.__struct_fields__)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"id":1}', b"\xff"])
def test_what_is_no_record_is_not_read_as_one(data: bytes) -> None:
    with pytest.raises((msgspec.ValidationError, msgspec.DecodeError)):
        parse(data)


# -- personal values -------------------------------------------------------------------------------------------------


class Part(msgspec.Struct, frozen=True):
    name: Personal[str]
    plain: str = "plain"


class Told(Event, frozen=True, tag="test.Told.v1"):
    first: Personal[str]
    parts: tuple[Part, ...] = ()
    last: Personal[int] | None = None


TOLD: Aggregate[Any] = Aggregate("tld", (Told,), object, lambda state, _: state)


def clear(value: Any) -> Clear[Any]:
    return Clear("per_1", value)


def test_personal_values_are_numbered_from_one_in_the_order_they_are_met() -> None:
    met: list[tuple[Any, int]] = []

    def sealer(value: Clear[Any], field: int) -> Sealed[Any]:
        met.append((value.value, field))
        return sealed_for_tests(value, field)

    event = Told(clear("a"), (Part(clear("b")), Part(clear("c"))), clear(4))
    payload = encode_payload(event, sealer)
    assert met == [("a", 1), ("b", 2), ("c", 3), (4, 4)]
    found = EventTypes([TOLD]).decode("test.Told.v1", payload)
    assert isinstance(found, Told)
    assert [found.first.field, *(part.name.field for part in found.parts), found.last.field] == [1, 2, 3, 4]  # type: ignore[union-attr]


def test_numbers_start_anew_with_each_event() -> None:
    for _ in range(2):
        assert b'"field":1' in encode_payload(Told(clear("a")), sealed_for_tests)


def test_a_value_that_is_sealed_already_keeps_its_number_and_takes_none() -> None:
    kept: Sealed[str] = Sealed("per_1", "sm4-gcm", 9, b"box")
    payload = encode_payload(Told(kept, (Part(clear("b")),)), sealed_for_tests)
    found = EventTypes([TOLD]).decode("test.Told.v1", payload)
    assert isinstance(found, Told)
    assert (found.first, found.parts[0].name.field) == (kept, 1)  # type: ignore[union-attr]


def test_nothing_but_sealed_values_is_encoded() -> None:
    with pytest.raises(TypeError, match="no key"):
        encode_payload(Told(clear("a")))
    with pytest.raises(TypeError, match="must not be encoded"):
        encode_payload(Told(object()))  # type: ignore[arg-type]


def test_sealed_values_are_equal_by_what_they_hold() -> None:
    one: Sealed[str] = Sealed("per_1", "sm4-gcm", 1, b"box")
    assert one == Sealed("per_1", "sm4-gcm", 1, b"box")
    assert hash(one) == hash(Sealed("per_1", "sm4-gcm", 1, b"box"))
    others: tuple[Sealed[str] | str, ...] = (
        Sealed("per_2", "sm4-gcm", 1, b"box"),
        Sealed("per_1", "sm4-gcm", 2, b"box"),
        "box",
    )
    for other in others:
        assert one != other


# -- event types -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", event_classes())
@settings(max_examples=8, deadline=None)
@every(data=st.data())
def test_every_event_of_every_service_is_read_as_it_was_written(tag: str, data: st.DataObject) -> None:
    service = tag.partition(".")[0]
    types = EventTypes(definitions()[service].aggregates)
    payload = payload_of(data.draw(anything_like(event_classes()[tag])))
    event = types.decode(tag, payload)
    assert type(event) is event_classes()[tag]
    assert types.tag(event) == tag
    assert encode_payload(event) == payload


class ToldToo(Event, frozen=True, tag="test.Told.v1"):
    pass


class Untagged(Event, frozen=True):
    pass


class Renumbered(Event, frozen=True, tag="test.Renumbered.v3"):
    total: int
    unit: str


RENUMBERED: Aggregate[Any] = Aggregate("ren", (Renumbered,), object, lambda state, _: state)


def test_two_classes_under_one_tag_do_not_start() -> None:
    with pytest.raises(ValueError, match=r"test\.Told\.v1"):
        EventTypes([TOLD, Aggregate("x", (ToldToo,), object, lambda state, _: state)])


def test_an_event_without_a_tag_does_not_start() -> None:
    with pytest.raises(TypeError, match="Untagged has no tag"):
        EventTypes([Aggregate("x", (Untagged,), object, lambda state, _: state)])
    with pytest.raises(TypeError):
        tag_of(Untagged)


def upcasting() -> EventTypes:
    return EventTypes(
        [RENUMBERED],
        [
            Upcast("test.Renumbered.v1", "test.Renumbered.v2", lambda old: {"total": old["n"]}),
            Upcast("test.Renumbered.v2", "test.Renumbered.v3", lambda old: {**old, "unit": "CNY"}),
        ],
    )


def test_an_old_event_is_read_in_its_newest_form_step_by_step() -> None:
    types = upcasting()
    assert types.decode("test.Renumbered.v1", b'{"type":"test.Renumbered.v1","n":7}') == Renumbered(7, "CNY")
    assert types.decode("test.Renumbered.v2", b'{"type":"test.Renumbered.v2","total":8}') == Renumbered(8, "CNY")
    assert types.decode("test.Renumbered.v3", encode_payload(Renumbered(9, "USD"))) == Renumbered(9, "USD")
    newest = [types.newest(f"test.Renumbered.v{n}") for n in (1, 2, 3, 4)]
    assert newest == [*["test.Renumbered.v3"] * 3, "test.Renumbered.v4"]


def test_an_upcaster_leaves_sealed_values_as_they_are() -> None:
    types = EventTypes([TOLD], [Upcast("test.Told.v0", "test.Told.v1", lambda old: {"first": old["who"]})])
    sealed = b'{"subject":"per_1","alg":"sm4-gcm","field":1,"box":"c2VhbGVk"}'
    found = types.decode("test.Told.v0", b'{"type":"test.Told.v0","who":' + sealed + b"}")
    assert found == Told(Sealed("per_1", "sm4-gcm", 1, b"sealed"))


def test_an_event_that_nobody_knows_is_named() -> None:
    with pytest.raises(UnknownEventType, match=r"test\.Unheard\.v1"):
        upcasting().decode("test.Unheard.v1", b"{}")
    types = EventTypes([RENUMBERED], [Upcast("test.Renumbered.v1", "test.Renumbered.v2", lambda old: old)])
    with pytest.raises(UnknownEventType, match=r"test\.Renumbered\.v2"):
        types.decode("test.Renumbered.v1", b"{}")

"""What the auditor's fold cannot read is refused in words, whatever it is; all else folds."""

import asyncio
from typing import cast
from uuid import UUID

import asyncpg
import msgspec
import pytest
from hypothesis import given as every
from hypothesis import settings
from hypothesis import strategies as st

from services.audit.intake.claims import READABLE, VIEWS, ClaimAsTold, evolve
from shared.eventstore.record import Actor, Record, canonical
from shared.messaging.inbox import CannotHandle
from shared.messaging.topics import Delivered
from tests.contract.events.samples import MOMENT

NEWER = "subsidy.ClaimSubmitted.v3 比本服务所知的版本新，升级后请重试"
FIELDS = st.sampled_from(sorted({name for view in VIEWS.values() for name in view.__struct_fields__}))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(FIELDS | st.text(), inside, max_size=5),
    max_leaves=12,
)
LIKELY = st.dictionaries(FIELDS, st.text(max_size=5) | st.none() | st.booleans() | ANYTHING)


def record_of(tag: str, payload: bytes, version: int = 1) -> Record:
    return Record(
        id=UUID(int=version),
        stream="clm_1",
        version=version,
        log_id=UUID(int=5),
        type=tag,
        recorded_at=MOMENT,
        occurred_at=MOMENT,
        actor=Actor("app"),
        causation_id=None,
        correlation_id=None,
        traceparent=None,
        payload=msgspec.Raw(payload),
    )


def refused(record: Record) -> str | None:
    """Why the consumer refuses a record, None where it does not."""
    item = Delivered("subsidy", record.version, record, canonical(record))
    try:
        asyncio.run(READABLE.effect(cast(asyncpg.Connection, None), [item]))
    except CannotHandle as error:
        return error.reason
    return None


@settings(max_examples=400, deadline=None)
@every(tag=st.sampled_from(sorted(VIEWS)), content=ANYTHING | LIKELY)
def test_any_content_of_any_known_type_folds_or_is_refused(tag: str, content: object) -> None:
    record = record_of(tag, msgspec.json.encode(content))
    if refused(record) is None:
        told = evolve(ClaimAsTold(), record)
        assert told.version == 1
        assert msgspec.json.decode(msgspec.json.encode(told), type=ClaimAsTold) == told
    else:
        with pytest.raises(msgspec.MsgspecError):
            evolve(ClaimAsTold(), record)


@pytest.mark.parametrize(
    ("tag", "content"),
    [
        ("subsidy.ClaimSubmitted.v1", b"{}"),
        ("subsidy.ClaimSubmitted.v2", b'{"claim_id":"clm_1","person_id":7,"review_district":"310101"}'),
        ("subsidy.ClaimHeld.v1", b"[]"),
        ("subsidy.HoldLifted.v1", b'{"reason":null}'),
        ("subsidy.ClaimScreened.v2", b'{"amount":"1800.00"}'),
        ("subsidy.ClaimPaid.v1", b'"paid"'),
        ("subsidy.NoticeEnded.v1", b"null"),
    ],
)
def test_what_has_not_the_fields_that_the_fold_needs_is_refused(tag: str, content: bytes) -> None:
    assert str(refused(record_of(tag, content))).startswith("内容与约定不符：")


def test_a_newer_version_of_a_known_type_waits_for_an_upgrade() -> None:
    assert refused(record_of("subsidy.ClaimSubmitted.v3", b"{}")) == NEWER


@pytest.mark.parametrize("tag", ["subsidy.PayeeChecked.v1", "subsidy.PayeeChecked.v7", "subsidy.NeverHeardOf.v1"])
def test_what_the_fold_does_not_ask_for_moves_only_its_version(tag: str) -> None:
    record = record_of(tag, b"[1]", 4)
    assert refused(record) is None
    assert evolve(ClaimAsTold(status="approved", version=3), record) == ClaimAsTold(status="approved", version=4)


def test_an_event_that_was_told_before_changes_nothing() -> None:
    held = record_of("subsidy.ClaimHeld.v1", b'{"reason":"death"}', 2)
    once = evolve(ClaimAsTold(version=1), held)
    assert once == ClaimAsTold(version=2, holds=("death",))
    assert evolve(once, held) == once
    assert evolve(once, record_of("subsidy.ClaimPaid.v1", b"{}", 1)) == once


def test_a_claim_goes_on_without_an_event_that_was_dropped() -> None:
    told = evolve(ClaimAsTold(version=1), record_of("subsidy.ClaimPaid.v1", b"{}", 3))
    assert (told.status, told.version) == ("paid", 3)

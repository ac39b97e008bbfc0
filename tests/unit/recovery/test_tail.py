"""The lost tail: whole and the same wherever it is held, or refused with what lacks."""

from datetime import UTC, datetime
from uuid import UUID, uuid4, uuid5

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.eventstore.process import PROCESS_NAMESPACE
from shared.eventstore.record import Actor, Record, canonical
from shared.proof.heads import Head
from shared.proof.merkle import extend, leaf_hash, root
from shared.recovery.kept_aside import contradicts
from shared.recovery.put_back import commands_of
from shared.recovery.tail import CannotReconcile, Witness, assemble, check_roots, subjects_of

LOG = UUID(int=1)
MOMENT = datetime(2025, 3, 3, tzinfo=UTC)


def record(position: int, **other: object) -> Record:
    made = Record(
        id=UUID(int=position),
        stream="acc_1",
        version=position,
        log_id=LOG,
        type="test.Moved.v1",
        recorded_at=MOMENT,
        occurred_at=MOMENT,
        actor=Actor("app"),
        causation_id=None,
        correlation_id=UUID(int=9),
        traceparent=None,
        payload=msgspec.Raw(b'{"by":1}'),
    )
    return msgspec.structs.replace(made, **other)


def data(position: int) -> bytes:
    return canonical(record(position))


def holding(name: str, *positions: int, reaches: int | None = None) -> Witness:
    return Witness(name, {at: data(at) for at in positions}, reaches or max(positions, default=0))


def head(size: int, *, of: str | None = None) -> Head:
    found = of or root(extend(0, (), [leaf_hash(data(at)) for at in range(1, size + 1)]).peaks).hex()
    return Head(service="test", log_id=str(LOG), tree_size=size, root=found, hash="sm3", signed_at=MOMENT)


def reason(*witnesses: Witness, heads: tuple[Head, ...] = ()) -> str:
    with pytest.raises(CannotReconcile) as cannot:
        assemble(LOG, 3, witnesses, heads)
    return str(cannot.value)


@given(st.lists(st.sets(st.integers(4, 20)), min_size=1, max_size=4))
def test_the_tail_is_whole_however_it_is_spread_or_refused(spread: list[set[int]]) -> None:
    witnesses = [holding(str(number), *sorted(held)) for number, held in enumerate(spread)]
    known = set().union(*spread)
    last = max(known, default=3)
    if known == set(range(4, last + 1)):
        assert [item.data for item in assemble(LOG, 3, witnesses, [])] == [data(at) for at in range(4, last + 1)]
    else:
        with pytest.raises(CannotReconcile, match="nobody holds"):
            assemble(LOG, 3, witnesses, [])


def test_what_lacks_is_told_in_runs_with_who_knows_of_it() -> None:
    said = reason(holding("Kafka", 4, 8), Witness("loans", {}, 9), heads=(head(11),))
    assert said == (
        "nobody holds positions 5 to 7, positions 9 to 11; they were there, by Kafka (8), loans (9), a signed head (11)"
    )


def test_many_runs_are_told_by_their_number() -> None:
    assert reason(holding("Kafka", *range(5, 21, 2))).count("positions") == 5
    assert "and 3 more runs" in reason(holding("Kafka", *range(5, 21, 2)))


@pytest.mark.parametrize(
    ("bytes_of_4", "said"),
    [
        (b"no record", "position 4 in Kafka is no record"),
        (data(4).replace(b'"by":1', b'"by": 1').replace(b'"version":4', b'"version": 4'), "is not as this service"),
        (canonical(record(4, log_id=UUID(int=2))), "is not as this service writes records"),
        (canonical(record(4, correlation_id=None)), "is not as this service writes records"),
    ],
    ids=["not a record", "written otherwise", "another log", "without a correlation"],
)
def test_what_this_service_did_not_write_is_refused(bytes_of_4: bytes, said: str) -> None:
    assert said in reason(Witness("Kafka", {4: bytes_of_4}, 4))


def test_two_who_hold_other_bytes_are_named() -> None:
    other = Witness("audit's archive", {4: data(5)}, 4)
    assert reason(holding("Kafka", 4), other) == "position 4 is not the same in Kafka and in audit's archive"


def test_a_stream_that_lacks_a_version_is_refused() -> None:
    witness = Witness("Kafka", {4: data(4), 5: canonical(record(5, version=7))}, 5)
    assert reason(witness) == "position 5: acc_1 has no version 6"


def test_the_roots_are_those_of_every_signed_head() -> None:
    peaks = extend(0, (), [leaf_hash(data(at)) for at in (1, 2, 3)]).peaks
    placed = assemble(LOG, 3, [holding("Kafka", 4, 5, 6)], [])
    check_roots(3, peaks, placed, [head(size) for size in (4, 5, 6)])
    with pytest.raises(CannotReconcile, match=f"head of 5 events has the root {'ab' * 32}"):
        check_roots(3, peaks, placed, [head(4), head(5), head(5, of="ab" * 32)])


def test_subjects_are_those_of_sealed_values_wherever_they_stand() -> None:
    sealed = {"subject": "per_1", "alg": "sm4-gcm", "field": 1, "box": "AA=="}
    payload = {"a": sealed, "b": [{"c": {**sealed, "subject": "per_2"}}], "d": {"subject": "per_3"}, "e": "per_4"}
    assert subjects_of(record(4, payload=msgspec.Raw(msgspec.json.encode(payload)))) == {"per_1", "per_2"}


def test_a_database_put_aside_contradicts_at_the_first_position_that_differs() -> None:
    aside = holding("the database put aside", 4, 5, 6)
    assert contradicts(aside, [holding("Kafka", 4, 6)]) is None
    assert contradicts(aside, [holding("Kafka", 4), Witness("audit's archive", {5: data(4), 6: data(4)}, 6)]) == 5


def test_the_commands_of_processes_are_known_again_by_their_ids() -> None:
    cause, timer = uuid4(), uuid4()
    later = MOMENT.replace(minute=1)
    process = Actor("process:greeting")
    found = commands_of(
        [
            record(4),
            record(5, actor=process, causation_id=cause),
            record(6, actor=process, causation_id=cause),
            record(7, actor=process, causation_id=cause, recorded_at=later),
            record(8, actor=process, correlation_id=timer),
        ]
    )
    made = [str(uuid5(PROCESS_NAMESPACE, f"greeting\n{cause}\n{number}")) for number in (0, 1)]
    assert sorted(found) == sorted([("process:greeting", key) for key in (*made, str(timer))])


def test_a_position_far_beyond_the_log_costs_no_walk_to_it() -> None:
    said = reason(holding("Kafka", 4), Witness("loans", {}, 10**15))
    assert said == "nobody holds positions 5 to 1000000000000000; they were there, by loans (1000000000000000)"

"""Messages between services: headers and bytes there and back, and facts folded from what was heard."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest
from hypothesis import given as every
from hypothesis import settings
from hypothesis import strategies as st

from shared.eventstore.needs import Fact
from shared.eventstore.record import Actor, Record, canonical
from shared.messaging.inbox import CannotHandle
from shared.messaging.intake import Foreign, Intake, Listens, Note, keep, name_and_version
from shared.messaging.topics import Delivered, Unreadable, headers, read_message, service_of, topic_of

MOMENT = datetime(2025, 3, 3, 1, tzinfo=UTC)


def record(type: str = "test.Opened.v1", payload: bytes = b"{}", **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "id": UUID(int=1),
        "stream": "acc_1",
        "version": 1,
        "log_id": UUID(int=2),
        "type": type,
        "recorded_at": MOMENT,
        "occurred_at": MOMENT,
        "actor": Actor("app"),
        "causation_id": None,
        "correlation_id": None,
        "traceparent": None,
        "payload": msgspec.Raw(payload),
    }
    return Record(**{**fields, **changes})


def delivered(position: int, type: str, **fields: Any) -> Delivered:
    found = record(type, msgspec.json.encode({"type": type, **fields}))
    return Delivered("bank", position, found, canonical(found))


# -- messages --------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@every(
    st.sampled_from(["registry", "training", "subsidy"]),
    st.integers(1, 2**62),
    st.text(alphabet="abc_123", min_size=1),
    st.none() | st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
)
def test_a_message_is_read_as_it_was_sent(service: str, position: int, stream: str, traceparent: str | None) -> None:
    sent = record(stream=stream, traceparent=traceparent)
    data = canonical(sent)
    read = read_message(topic_of(service), headers(service, position, sent), data)
    assert (read.source, read.position, read.data, read.log_id) == (service, position, data, sent.log_id)
    assert canonical(read.record) == data


def test_headers_are_the_attributes_of_cloudevents_1_0() -> None:
    sent = record(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    found = headers("subsidy", 7, sent)
    assert dict(found) == {
        "ce_specversion": b"1.0",
        "ce_id": str(sent.id).encode(),
        "ce_source": b"/huchuang/subsidy",
        "ce_type": b"test.Opened.v1",
        "ce_subject": b"acc_1",
        "ce_time": b"2025-03-03T01:00:00+00:00",
        "content-type": b"application/json",
        "position": b"7",
        "traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    assert len(found) == len(dict(found))
    assert "traceparent" not in dict(headers("subsidy", 7, record()))


def test_topics_name_their_service() -> None:
    assert topic_of("subsidy") == "huchuang.subsidy.events"
    assert service_of(topic_of("subsidy")) == "subsidy"


GOOD = canonical(record())


@pytest.mark.parametrize(
    ("found", "value"),
    [
        (None, GOOD),
        ([], GOOD),
        ([("ce_id", b"1")], GOOD),
        ([("position", b"")], GOOD),
        ([("position", b"-1")], GOOD),
        ([("position", b"1.5")], GOOD),
        ([("position", "７".encode())], GOOD),
        ([("position", b"1")], None),
        ([("position", b"1")], b""),
        ([("position", b"1")], b"{}"),
        ([("position", b"1")], b"[1]"),
        ([("position", b"1")], GOOD[:-1]),
        ([("position", b"1")], b"\xff\xfe"),
        ([("position", b"1")], b'{"more":' + b"[" * 5000),
        ([("position", b"0")], GOOD),
        ([("position", b"7" * 5000)], GOOD),
        ([("position", str(2**63).encode())], GOOD),
        ([("position", None)], GOOD),
        ([("position", b"1")], canonical(record(stream="acc_\0"))),
        ([("position", b"1")], canonical(record(stream="a" * 513))),
        ([("position", b"1")], canonical(record("test.\n.v1"))),
        ([("position", b"1")], GOOD.replace(b"acc_1", b"acc_\xff")),
        ([("position", b"1")], GOOD.replace(b'"payload":{', b'"payload":{"more":"\xff"')),
    ],
)
def test_what_is_no_record_with_a_position_is_unreadable_and_no_other_error(found: Any, value: bytes | None) -> None:
    with pytest.raises(Unreadable):
        read_message("huchuang.subsidy.events", found, value)


NUMBERS = st.integers(-1, 2**64).map(lambda number: str(number).encode()) | st.just(b"7" * 5000)


@every(
    st.lists(st.tuples(st.sampled_from(["position", "ce_id"]), st.none() | NUMBERS | st.binary(max_size=30))),
    st.none() | st.binary() | st.builds(lambda cut, end: GOOD[:cut] + end, st.integers(0, len(GOOD)), st.binary()),
)
def test_any_bytes_are_an_event_at_a_position_or_unreadable(found: Any, value: bytes | None) -> None:
    try:
        position: int | None = read_message("huchuang.subsidy.events", found, value).position
    except Unreadable as error:
        position = error.position
    assert position is None or 1 <= position < 2**63


# -- intake ------------------------------------------------------------------------------------------------------------


class AccountFact(Fact, frozen=True):
    owner: str
    balance: int = 0


class OwnerFact(Fact, frozen=True):
    accounts: tuple[str, ...] = ()


class Opened(Foreign, frozen=True):
    account: str
    owner: str


class Paid(Foreign, frozen=True):
    account: str
    amount: int


class Closed(Foreign, frozen=True):
    account: str


def _opened(_: Record, event: Opened) -> Iterable[Note]:
    yield keep(AccountFact(event.owner), event.account)

    def add(known: OwnerFact | None) -> OwnerFact:
        return OwnerFact((*(known.accounts if known else ()), event.account))

    yield Note(OwnerFact, event.owner, add)


def _paid(_: Record, event: Paid) -> Iterable[Note]:
    def add(known: AccountFact) -> AccountFact:
        return msgspec.structs.replace(known, balance=known.balance + event.amount)

    yield Note(AccountFact, event.account, add, needs_known=True)


def _closed(_: Record, event: Closed) -> Iterable[Note]:
    yield Note(AccountFact, event.account, lambda known: None)


LISTENS = (
    Listens("bank.Opened.v1", Opened, _opened),
    Listens("bank.Paid.v1", Paid, _paid),
    Listens("bank.Closed.v1", Closed, _closed),
)


class Table:
    """A database connection that keeps facts and reactions in memory."""

    def __init__(self) -> None:
        self.facts: dict[tuple[str, str], tuple[bytes, int]] = {}
        self.reactions: list[tuple[Any, ...]] = []

    async def fetch(self, query: str, kinds: list[str], keys: list[str]) -> list[dict[str, Any]]:
        names = [name for name in zip(kinds, keys, strict=True) if name in self.facts]
        return [{"kind": kind, "key": key, "value": self.facts[kind, key][0]} for kind, key in names]

    async def execute(self, query: str, *columns: list[Any]) -> None:
        assert "insert into fact" in query
        for kind, key, value, _, position in zip(*columns, strict=True):
            self.facts[kind, key] = (value, position)

    async def executemany(self, query: str, rows: list[tuple[Any, ...]]) -> None:
        if "delete from fact" in query:
            for name in rows:
                self.facts.pop(name, None)
        else:
            assert "insert into reaction" in query
            self.reactions += rows

    def fact(self, kind: type[Fact], key: str) -> Fact | None:
        found = self.facts.get((kind.__name__, key))
        return None if found is None else msgspec.json.decode(found[0], type=kind)


async def heard(table: Table, *batch: Delivered, reacts_to: Iterable[str] = ()) -> None:
    await Intake(LISTENS, reacts_to).effect(cast(Any, table), batch)


OPENED = delivered(1, "bank.Opened.v1", account="a", owner="o", colour="red")


async def test_fields_that_a_service_does_not_use_may_come_and_go() -> None:
    table = Table()
    await heard(table, OPENED)
    assert table.fact(AccountFact, "a") == AccountFact("o")
    assert table.fact(OwnerFact, "o") == OwnerFact(("a",))


async def test_notes_of_one_batch_build_on_each_other() -> None:
    table = Table()
    await heard(table, OPENED, *(delivered(n, "bank.Paid.v1", account="a", amount=n) for n in (2, 3)))
    assert table.fact(AccountFact, "a") == AccountFact("o", 5)
    assert table.facts["AccountFact", "a"][1] == 3
    assert table.facts["OwnerFact", "o"][1] == 1


async def test_notes_of_a_later_batch_build_on_what_was_kept() -> None:
    table = Table()
    await heard(table, OPENED)
    await heard(table, delivered(2, "bank.Paid.v1", account="a", amount=7))
    assert table.fact(AccountFact, "a") == AccountFact("o", 7)


async def test_a_fact_can_be_forgotten_and_come_back_within_a_batch() -> None:
    table = Table()
    await heard(table, OPENED, delivered(2, "bank.Closed.v1", account="a"))
    assert table.fact(AccountFact, "a") is None
    await heard(table, delivered(3, "bank.Closed.v1", account="a"), OPENED)
    assert table.fact(AccountFact, "a") == AccountFact("o")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("Opened"), st.sampled_from("ab"), st.just(0)),
        st.tuples(st.just("Paid"), st.sampled_from("ab"), st.integers(1, 9)),
        st.tuples(st.just("Closed"), st.sampled_from("ab"), st.just(0)),
    ),
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@every(STEPS, st.lists(st.integers(1, 6)))
def test_however_a_log_is_cut_into_batches_the_facts_are_the_same(
    steps: list[tuple[str, str, int]], cuts: list[int]
) -> None:
    batch: list[Delivered] = []
    alive: set[str] = set()
    for position, (what, account, amount) in enumerate(steps, 1):
        if what == "Paid" and account not in alive:
            continue
        alive = alive - {account} if what == "Closed" else alive | {account}
        fields = {"owner": "o"} if what == "Opened" else {"amount": amount} if what == "Paid" else {}
        batch.append(delivered(position, f"bank.{what}.v1", account=account, **fields))

    async def run() -> tuple[Table, Table]:
        whole, parts = Table(), Table()
        await heard(whole, *batch)
        rest = list(batch)
        for cut in cuts:
            await heard(parts, *rest[:cut])
            rest = rest[cut:]
        await heard(parts, *rest)
        return whole, parts

    whole, parts = asyncio.run(run())
    assert whole.facts == parts.facts


async def test_what_nobody_listens_to_leaves_nothing() -> None:
    table = Table()
    await heard(table, delivered(1, "bank.Painted.v1", account="a"))
    assert (table.facts, table.reactions) == ({}, [])


async def test_what_a_process_reacts_to_waits_for_it_in_its_exact_bytes() -> None:
    table = Table()
    painted = delivered(2, "bank.Painted.v1", account="a")
    await heard(table, OPENED, painted, reacts_to=["bank.Painted.v1"])
    assert table.reactions == [("bank", "acc_1", 2, painted.data)]
    assert Intake(LISTENS, ["bank.Painted.v1"]).tags == {item.tag for item in LISTENS} | {"bank.Painted.v1"}


@pytest.mark.parametrize("fields", [{"account": "a"}, {"account": 1, "owner": "o"}, {}])
async def test_an_event_that_is_not_as_agreed_cannot_be_handled_and_leaves_nothing(fields: dict[str, Any]) -> None:
    table = Table()
    with pytest.raises(CannotHandle, match="内容与约定不符"):
        await heard(table, OPENED, delivered(2, "bank.Opened.v1", **fields))
    assert table.facts == {}


async def test_an_event_whose_beginning_was_never_heard_cannot_be_handled_and_does_not_stop_the_consumer() -> None:
    """Its stream's first message may have been parked and dropped; whatever follows must be parked, not crash."""
    table = Table()
    with pytest.raises(CannotHandle):
        await heard(table, delivered(2, "bank.Paid.v1", account="unheard", amount=1))
    assert table.facts == {}


async def test_a_newer_version_of_what_we_listen_to_waits_for_code_that_knows_it() -> None:
    table = Table()
    with pytest.raises(CannotHandle, match="比本服务所知的版本新"):
        await heard(table, delivered(2, "bank.Opened.v2", account="a", owner="o"))
    with pytest.raises(CannotHandle, match="比本服务所知的版本新"):
        await Intake(LISTENS, ["bank.Painted.v1", "bank.Painted.v2"]).effect(
            cast(Any, table), [delivered(2, "bank.Painted.v3")]
        )
    assert table.facts == {}


@every(st.text() | st.text(max_size=5).map(lambda name: f"{name}.v") | st.just(f"bank.Opened.v{'5' * 5000}"))
def test_every_tag_has_a_name_and_a_version(tag: str) -> None:
    name, version = name_and_version(tag)
    assert name in tag
    assert version >= 0
    assert name_and_version(f"{name}.v12") == (name, 12) or name == ""


async def test_what_we_never_listened_to_is_no_concern_of_ours_whatever_its_version() -> None:
    table = Table()
    await heard(table, delivered(2, "bank.Demolished.v9"), delivered(3, "a tag of another kind"))
    assert table.facts == {}

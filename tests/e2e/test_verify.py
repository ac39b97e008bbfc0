"""What `verify --all` says of a demo's own events and tables when something is lost or doubled in them."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from deploy.local import settings
from deploy.local.client import Client
from deploy.local.clock import settle
from deploy.local.demo.run import Outcome
from deploy.local.histories import read_stores
from deploy.local.verify.facts import check_facts
from deploy.local.verify.messages import check_messages
from deploy.local.verify.payments import check_payments
from deploy.local.verify.positions import check_positions
from services.audit.archive.history import Located

pytestmark = pytest.mark.stack

Stored = list[Located]
FURTHER = 1_000_000
"""Positions behind those of any demo."""


@pytest.fixture
async def stored(demonstrated: Outcome, client: Client) -> Stored:
    """The records of all services, as `verify` reads them: of a stack that has come to rest."""
    await settle(client)
    return await read_stores(client)


def subsidys(stored: Stored) -> Stored:
    return [item for item in stored if item.service == "subsidy"]


def told(item: Located) -> dict[str, Any]:
    event: dict[str, Any] = msgspec.json.decode(item.record.payload)
    return event


def first(stored: Sequence[Located], kind: str, **fields: object) -> Located:
    """The first event of a type, with these fields."""
    return next(item for item in stored if item.record.type == kind and fields.items() <= told(item).items())


def again(item: Located, after: int = FURTHER, **changes: Any) -> Located:
    """The same event once more, at the end of the log, with other fields."""
    record = msgspec.structs.replace(item.record, payload=msgspec.Raw(msgspec.json.encode({**told(item), **changes})))
    return item._replace(position=item.position + after, record=record)


def instead(stored: Stored, item: Located, **changes: Any) -> Stored:
    return [again(item, 0, **changes) if other is item else other for other in stored]


def without(stored: Stored, item: Located) -> Stored:
    return [other for other in stored if other is not item]


def ordered_again(stored: Stored) -> Stored:
    """A claim that was paid is ordered in a second released batch as well, with its line in the bank's file."""
    order, made = first(stored, "subsidy.PaymentOrdered.v1"), first(stored, "subsidy.PaymentBatchMade.v1")
    claim, event = order.record.stream, told(order)
    batch, amount = f"pay_{uuid4()}", event["amount"]
    line = {"order_id": f"{claim[4:].replace('-', '')}-02", "claim_id": claim, "amount": amount}
    release = first(stored, "subsidy.PaymentBatchReleased.v1")
    items = [{"claim_id": claim, "amount": amount}]
    return [
        *stored,
        again(made, batch_id=batch, items=items, count=1, total=amount),
        again(order, batch_id=batch, attempt=2),
        again(release, batch_id=batch, dropped=[], orders=[line]),
    ]


def sent_twice(stored: Stored) -> Stored:
    """The bank's file has one order twice."""
    release = first(stored, "subsidy.PaymentBatchReleased.v1")
    orders = told(release)["orders"]
    return instead(stored, release, orders=[*orders, orders[0]])


def sent_without_order(stored: Stored) -> Stored:
    return without(stored, first(stored, "subsidy.PaymentOrdered.v1"))


def sent_too_much(stored: Stored) -> Stored:
    release = first(stored, "subsidy.PaymentBatchReleased.v1")
    orders = told(release)["orders"]
    return instead(stored, release, orders=[{**orders[0], "amount": "99999.00"}, *orders[1:]])


def never_sent(stored: Stored) -> Stored:
    release = first(stored, "subsidy.PaymentBatchReleased.v1")
    return instead(stored, release, orders=told(release)["orders"][1:])


def twice_in_one_batch(stored: Stored) -> Stored:
    order = first(stored, "subsidy.PaymentOrdered.v1")
    return [*stored, again(order, attempt=2)]


def listed_twice(stored: Stored) -> Stored:
    made = first(stored, "subsidy.PaymentBatchMade.v1")
    items = told(made)["items"]
    return instead(stored, made, items=[*items, items[0]])


def paid_twice(stored: Stored) -> Stored:
    return [*stored, again(first(stored, "subsidy.ClaimPaid.v1"))]


def paid_otherwise(stored: Stored) -> Stored:
    return instead(stored, first(stored, "subsidy.ClaimPaid.v1"), amount="0.01")


def paid_without_order(stored: Stored) -> Stored:
    return [*stored, again(first(stored, "subsidy.ClaimPaid.v1"), batch_id=f"pay_{uuid4()}")]


def another_total(stored: Stored) -> Stored:
    return instead(stored, first(stored, "subsidy.PaymentBatchMade.v1"), total="0.01")


def released_twice(stored: Stored) -> Stored:
    return [*stored, again(first(stored, "subsidy.PaymentBatchReleased.v1"))]


def ordered_before_release(stored: Stored) -> Stored:
    return without(stored, first(stored, "subsidy.PaymentBatchReleased.v1"))


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        (ordered_again, "又发出"),
        (sent_twice, "没有付款指令"),
        (sent_without_order, "没有付款指令"),
        (sent_too_much, "没有付款指令"),
        (never_sent, "没有发给银行"),
        (twice_in_one_batch, "却有付款指令"),
        (listed_twice, "列有"),
        (paid_twice, "已到账，又记为已到账"),
        (paid_otherwise, "到账 0.01 元"),
        (paid_without_order, "没有它的付款指令"),
        (another_total, "与所列各笔不符"),
        (released_twice, "放行了两次"),
        (ordered_before_release, "不应付"),
    ],
)
def test_a_payment_that_is_doubled_or_lost_is_found(
    stored: Stored, plant: Callable[[Stored], Stored], says: str
) -> None:
    records = subsidys(stored)
    assert check_payments(records).findings == []
    found = check_payments(plant(records)).findings
    assert any(says in finding for finding in found), found


def unsent(stored: Stored) -> Stored:
    return without(stored, first(stored, "notify.MessageSent.v1", template="claim_paid.v1"))


def doubled(stored: Stored) -> Stored:
    return [*stored, again(first(stored, "notify.MessageSent.v1"), message_id=f"msg_{uuid4()}")]


def unfounded(stored: Stored) -> Stored:
    return without(stored, first(stored, "subsidy.ClaimPaid.v1"))


def to_somebody_else(stored: Stored) -> Stored:
    return instead(stored, first(stored, "notify.MessageSent.v1"), person_id=f"per_{uuid4()}")


def about_something_else(stored: Stored) -> Stored:
    return instead(stored, first(stored, "notify.MessageSent.v1"), template="claim_recovered.v1")


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        (unsent, "subsidy.ClaimPaid.v1：没有告知"),
        (doubled, "告知了 2 次"),
        (unfounded, "没有所告知的事件"),
        (to_somebody_else, "告知了别人"),
        (about_something_else, "claim_recovered.v1"),
    ],
)
def test_a_message_that_is_doubled_lost_or_wrong_is_found(
    stored: Stored, plant: Callable[[Stored], Stored], says: str
) -> None:
    assert check_messages(stored).findings == []
    found = check_messages(plant(stored)).findings
    assert any(says in finding for finding in found), found


@asynccontextmanager
async def changed(database: str, change: str) -> AsyncIterator[str]:
    """A change of a table of facts, taken back afterwards; yields the kind and key of the row."""
    connection = await asyncpg.connect(database)
    row = await connection.fetchrow("select * from fact where kind = 'PersonFact' order by key limit 1")
    try:
        await connection.execute(change, row["key"])
        yield f"PersonFact {row['key']}"
    finally:
        await connection.execute("delete from fact where kind = 'PersonFact' and key in ($1, $1 || '0')", row["key"])
        await connection.execute("insert into fact select ($1::fact).*", row)
        await connection.close()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("update fact set value = '{}' where key = $1", "所记与来源的事件不同"),
        ("delete from fact where key = $1", "没有记下"),
        (
            "insert into fact select kind, key || '0', value, log_id, position from fact where key = $1",
            "来源的事件没有说过",
        ),
    ],
)
async def test_a_fact_that_its_owner_did_not_tell_or_that_is_lost_is_found(
    stored: Stored, directory: Path, change: str, says: str
) -> None:
    databases = settings.read(directory).databases
    assert (await check_facts(databases, stored)).findings == []
    async with changed(databases["subsidy"], change) as name:
        [finding] = (await check_facts(databases, stored)).findings
    assert finding.startswith(f"subsidy {name}")
    assert finding.endswith(says)
    assert (await check_facts(databases, stored)).findings == []


async def test_all_events_of_a_demo_have_their_positions(stored: Stored, directory: Path) -> None:
    checked = await check_positions(settings.read(directory).databases)
    assert checked.findings == []
    assert checked.looked_at == f"{len(stored)} 个事件"

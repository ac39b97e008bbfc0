"""Notices at the edge: what the routes make of the domain, on a store in memory."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from fastapi import Request

from services.subsidy.api import notices, objections
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.notice import (
    NOTICE,
    Entry,
    NoticeDrafted,
    NoticePublished,
    ObjectionRaised,
)
from services.subsidy.wiring import DEFINITION
from shared.eventstore.decider import Event, Rejection
from shared.eventstore.needs import Found, Needs, StoredEvent
from shared.eventstore.record import EventTypes
from shared.eventstore.work import Answer, Handler, NeedsMore, Work
from shared.values.ids import ClaimId, NoticeId, PersonId, new_id
from shared.values.personal import Sealed
from shared.vault.boxes import open_bytes, seal_bytes
from shared.vault.keys import Keyring
from shared.vault.master import MasterKey
from shared.web.caller import Caller
from shared.web.problem import Problem, of_rejection
from tests.unit.subsidy.samples import AMOUNT, PASTS, PERSON, REJECTED, TODAY, held, submission

MOMENT = datetime(2025, 3, 6, 1, tzinfo=UTC)
TYPES = EventTypes(DEFINITION.aggregates)
CLAIM_ID = ClaimId(new_id("clm", UUID(int=7 << 76 | 2 << 62 | 1)))
NOTICE_ID = NoticeId("ntc_1")


class Master:
    def wrap(self, key: bytes, subject: str) -> bytes:
        return seal_bytes(bytes(16), key, subject.encode())

    def unwrap(self, wrapped: bytes, subject: str) -> bytes:
        return open_bytes(bytes(16), wrapped, subject.encode())


class Memory:
    """Streams and rows in memory; `command` stands in for the way to the store and back."""

    def __init__(self, streams: dict[str, list[Event]], rows: dict[tuple[str, str], bytes] | None = None) -> None:
        self.streams = streams
        self.rows = rows or {}

    def work(self, needs: Needs) -> Work:
        found = Found()
        for stream in needs.streams:
            events = self.streams.get(stream, [])
            if events:
                found.events[stream] = [StoredEvent(UUID(int=n), n, event, MOMENT) for n, event in enumerate(events, 1)]
        found.rows = self.rows
        return Work(found, needs, TYPES, Keyring(cast(MasterKey, Master())), MOMENT)

    async def look(self, needs: Needs) -> Work:
        return self.work(needs)

    async def command(self, request: Request, needs: Needs, handler: Handler, **_: Any) -> Answer:
        while True:
            work = self.work(needs)
            try:
                outcome = handler(work)
            except NeedsMore as more:
                needs = needs.plus(more.missing)
                continue
            if isinstance(outcome, Rejection):
                raise of_rejection(outcome)
            for event in work.events:
                self.streams.setdefault(event.stream, []).append(TYPES.decode(event.type, event.payload))
            return outcome

    def request(self, *roles: str, user: str = "usr_1") -> Request:
        app = SimpleNamespace(state=SimpleNamespace(store=self, peers=self))
        return cast(Request, SimpleNamespace(scope={"caller": Caller("district", user, roles, 0)}, app=app))

    async def post(self, service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        people = body["person_ids"]
        return {"items": [{"person_id": id, "name": "欧阳", "masked_identity_number": "3101"} for id in people]}


STAFF = "district:310115/reviewer"
SEALED: Sealed[str] = Sealed(PERSON, "sm4-gcm", 1, b"")
ENTRY = Entry(CLAIM_ID, PersonId(PERSON), SEALED, SEALED, AMOUNT)


def past(state: str) -> list[Event]:
    return [submission(claim_id=CLAIM_ID), *PASTS[state][1:]]


def objected(*claim_events: Event, objections: int = 1) -> Memory:
    notice: list[Event] = [
        NoticeDrafted(NOTICE_ID, "310115", "名单", (ENTRY,), "usr_1"),
        NoticePublished(NOTICE_ID, "usr_2", TODAY, datetime(2025, 3, 10, tzinfo=UTC).date(), False),
    ]
    rows = {}
    for number in range(1, objections + 1):
        notice.append(ObjectionRaised(NOTICE_ID, f"obj_{number}", CLAIM_ID, SEALED, TODAY, TODAY))
        rows["objection", f"obj_{number}"] = f'{{"notice_id":"{NOTICE_ID}","claim_id":"{CLAIM_ID}"}}'.encode()
    streams = {NOTICE_ID: notice, CLAIM_ID: [*past("in_public_notice"), held("objection"), *claim_events]}
    return Memory(streams, rows)


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(memory: Memory) -> Memory:
        for module in (notices, objections):
            monkeypatch.setattr(module, "command", memory.command)
        return memory

    return use


async def decided(memory: Memory, objection: str, upheld: bool) -> None:
    body = objections.ObjectionDecision(upheld=upheld, reasons="核实")
    await objections.decide_objection(memory.request(STAFF), objection, body)


@pytest.mark.clause("B-18")
@pytest.mark.parametrize(("upheld", "status", "holds"), [(True, "rejected", []), (False, "in_public_notice", [])])
async def test_a_decided_objection_disqualifies_the_claim_or_lets_it_go_on(
    through: Any, upheld: bool, status: str, holds: list[str]
) -> None:
    memory = through(objected())
    await decided(memory, "obj_1", upheld)
    claim = CLAIM.fold(memory.streams[CLAIM_ID])
    assert (claim.status, [hold.reason for hold in claim.holds]) == (status, holds)


@pytest.mark.clause("B-18")
async def test_the_hold_stays_until_the_last_objection_to_the_claim_is_decided(through: Any) -> None:
    memory = through(objected(objections=2))
    await decided(memory, "obj_1", False)
    assert CLAIM.fold(memory.streams[CLAIM_ID]).held_for("objection")
    await decided(memory, "obj_2", False)
    assert not CLAIM.fold(memory.streams[CLAIM_ID]).holds


@pytest.mark.clause("B-18")
@pytest.mark.parametrize("upheld", [True, False])
async def test_an_objection_to_a_claim_that_has_come_to_nothing_can_still_be_decided(
    through: Any, upheld: bool
) -> None:
    memory = through(objected(REJECTED, objections=2))
    before = list(memory.streams[CLAIM_ID])
    await decided(memory, "obj_2", upheld)
    assert NOTICE.fold(memory.streams[NOTICE_ID]).objections["obj_2"].upheld is upheld
    assert memory.streams[CLAIM_ID] == before


@pytest.mark.clause("B-17")
async def test_another_district_decides_no_objection(through: Any) -> None:
    memory = through(objected())
    body = objections.ObjectionDecision(upheld=True, reasons="核实")
    with pytest.raises(Problem) as raised:
        await objections.decide_objection(memory.request("district:310101/reviewer"), "obj_1", body)
    assert (raised.value.status, raised.value.code) == (403, "not_your_district")


@pytest.mark.clause("B-18")
async def test_a_claim_that_is_named_twice_stands_once_in_the_notice(through: Any) -> None:
    memory = through(Memory({CLAIM_ID: past("approved")}))
    answer = await notices.draft(memory.request(STAFF), notices.NewNotice(claims=(CLAIM_ID, CLAIM_ID)))
    drafted = NOTICE.fold(memory.streams[str(cast(Answer, answer).stream)])
    assert [entry.claim_id for entry in drafted.entries] == [CLAIM_ID]

"""The archive takes each record once and waits with what it cannot read, whatever becomes of its bookkeeping."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import pytest

from services.audit.archive import intake
from services.audit.intake import claims
from services.audit.intake.claims import ClaimAsTold
from shared.eventstore.record import Actor, Record, canonical
from shared.messaging.inbox import Inbox
from shared.messaging.intake import Foreign, Intake, Listens
from shared.messaging.topics import Delivered
from tests.integration.places import Place

LOG = uuid4()
CLAIM, OTHER = f"clm_{uuid4()}", f"clm_{uuid4()}"
MOMENT = datetime(2025, 3, 3, 1, tzinfo=UTC)
BEHIND = "排在同一事件流已搁置的消息之后"


def told(position: int, kind: str, payload: object, version: int, stream: str = CLAIM) -> Delivered:
    """An event of subsidy's as Kafka delivers it."""
    record = Record(
        id=UUID(int=position),
        stream=stream,
        version=version,
        log_id=LOG,
        type=f"subsidy.{kind}",
        recorded_at=MOMENT,
        occurred_at=MOMENT,
        actor=Actor("app"),
        causation_id=None,
        correlation_id=None,
        traceparent=None,
        payload=msgspec.Raw(msgspec.json.encode(payload)),
    )
    return Delivered("subsidy", position, record, canonical(record))


def submitted(position: int, stream: str = CLAIM) -> Delivered:
    opening = {"claim_id": stream, "person_id": "per_1", "review_district": "310101", "organisation_id": None}
    return told(position, "ClaimSubmitted.v2", opening, 1, stream)


async def archived(place: Place) -> list[int]:
    return [row["position"] for row in await place.pool.fetch("select position from archive order by position")]


async def parked(place: Place) -> list[tuple[int, str]]:
    rows = await place.pool.fetch("select position, reason from parked where dropped_at is null order by id")
    return [(row["position"], row["reason"]) for row in rows]


async def claim(place: Place, stream: str = CLAIM) -> ClaimAsTold | None:
    state = await place.pool.fetchval("select state from claim_view where claim_id = $1", stream)
    return None if state is None else msgspec.json.decode(state, type=ClaimAsTold)


@pytest.mark.parametrize(
    ("kind", "payload"), [("ClaimSubmitted.v1", {}), ("ClaimHeld.v1", []), ("ClaimScreened.v2", {"amount": 1})]
)
async def test_what_cannot_be_read_is_put_aside_and_others_go_on(
    place: Place, inbox: Inbox, kind: str, payload: object
) -> None:
    bad = told(2, kind, payload, 2)
    await inbox.take([submitted(1), bad, submitted(3, OTHER), told(4, "ClaimPaid.v1", {}, 3)])
    assert await archived(place) == [1, 3]
    [(first, reason), behind] = await parked(place)
    assert (first, behind) == (2, (4, BEHIND))
    assert reason.startswith("内容与约定不符：")
    told_so_far = await claim(place)
    assert told_so_far is not None
    assert (told_so_far.status, told_so_far.version) == ("submitted", 1)
    assert await claim(place, OTHER) is not None


async def test_a_newer_version_waits_and_is_served_after_an_upgrade(
    place: Place, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SubmittedLater(Foreign, frozen=True):
        claim_id: str

    newer = told(1, "ClaimSubmitted.v3", {"claim_id": CLAIM}, 1)
    await inbox.take([newer, told(2, "ClaimHeld.v1", {"reason": "death"}, 2)])
    why = "subsidy.ClaimSubmitted.v3 比本服务所知的版本新，升级后请重试"
    assert await parked(place) == [(1, why), (2, BEHIND)]
    assert (await archived(place), await claim(place)) == ([], None)
    assert (await inbox.retry(CLAIM)).reason == why

    upgraded: dict[str, type[Foreign]] = {**claims.VIEWS, "subsidy.ClaimSubmitted.v3": SubmittedLater}
    listens = [Listens(tag, view, claims._nothing_noted) for tag, view in upgraded.items()]
    monkeypatch.setattr(claims, "VIEWS", upgraded)
    monkeypatch.setattr(intake, "READABLE", Intake(listens))
    assert (await inbox.retry(CLAIM)).served == 2
    assert await archived(place) == [1, 2]
    served = await claim(place)
    assert served is not None
    assert (served.holds, served.version) == (("death",), 2)


async def test_a_claim_goes_on_without_what_was_dropped(place: Place, inbox: Inbox) -> None:
    await inbox.take([submitted(1), told(2, "ClaimHeld.v1", [], 2), told(3, "ClaimPaid.v1", {}, 3)])
    await place.pool.execute(
        "update parked set dropped_at = now(), dropped_by = 'test', dropped_reason = 'test' where position = 2"
    )
    assert (await inbox.retry(CLAIM)).served == 1
    found = await claim(place)
    assert found is not None
    assert (found.status, found.version) == ("paid", 3)


async def test_with_its_bookkeeping_gone_it_hears_everything_again_and_nothing_changes(
    place: Place, inbox: Inbox
) -> None:
    story = [
        submitted(1),
        told(2, "ClaimHeld.v1", {"reason": "death"}, 2),
        told(3, "NoticeDrafted.v1", {"entries": [CLAIM]}, 1, "ntc_1"),
        submitted(4, OTHER),
    ]
    tables = [f"select t::text from {table} t order by t" for table in ("archive", "mention", "claim_view")]
    await inbox.take(story)
    before = [await place.pool.fetch(query) for query in tables]
    await place.pool.execute("truncate applied, applied_above")
    await inbox.take([*story, told(5, "HoldLifted.v1", {"reason": "death"}, 3)])
    assert await parked(place) == []
    assert await archived(place) == [1, 2, 3, 4, 5]
    found = await claim(place)
    assert found is not None
    assert (found.holds, found.version) == ((), 3)
    await place.pool.execute("truncate applied, applied_above")
    await place.pool.execute("delete from archive where position = 5; delete from claim_view")
    await inbox.take(story)
    assert [await place.pool.fetch(query) for query in tables] == before


async def test_another_record_at_an_archived_position_is_put_aside(place: Place, inbox: Inbox) -> None:
    await inbox.take([submitted(1), submitted(2, OTHER)])
    await place.pool.execute("truncate applied, applied_above")
    await inbox.take([told(1, "ClaimPaid.v1", {}, 1), submitted(2, OTHER)])
    assert await parked(place) == [(1, "档案在同一位置已存有另一条消息")]
    found = await claim(place)
    assert found is not None
    assert found.status == "submitted"

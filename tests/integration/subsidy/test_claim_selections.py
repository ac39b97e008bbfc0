"""Decisions on a selection of claims: each decided once, as the person who asked, whatever dies on the way."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from services.subsidy.api.selections import APPROVE_SELECTION, REVIEW_SELECTION, DecisionsAsked, decisions
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_events import ClaimApproved, ClaimReviewed
from services.subsidy.domain.policy import PROGRAMME, PolicyActivated, PolicyDrafted, PolicySimulated, stream_of
from services.subsidy.intake.facts import CertificateFact, OrganisationFact, PersonFact, RoleFact
from services.subsidy.wiring import DEFINITION
from shared.eventstore.decider import Event
from shared.eventstore.listing import listing
from shared.runtime import items as long_items
from shared.runtime.items import Counts, Noted, read_items
from shared.runtime.long_work import Operations
from shared.values.ids import ClaimId, new_id, uuid7
from shared.web.caller import Caller
from tests.integration.places import Place
from tests.integration.subsidy.test_claim_snapshots import put
from tests.unit.subsidy.samples import (
    CHECKED,
    ISSUED,
    POLICY,
    REVIEWED,
    SCREENED,
    submission,
)

PROGRAMME_STREAM = stream_of(POLICY.programme)
APPROVER = Caller("district-310115", "usr_approver", ("district:310115/approver",), 0.0)
REVIEWER = Caller("district-310115", "usr_other", ("district:310115/reviewer",), 0.0)
FOUNDED = POLICY.effective_from


async def put_policy_and_budget(place: Place) -> None:
    simulated = PolicySimulated(
        POLICY.programme, POLICY.version, "opn_1", 0, 0, 0, Decimal(0), Decimal(0), simulated_by="usr_1"
    )
    activated = PolicyActivated(POLICY.programme, POLICY.version, "usr_2")
    await put(place, PROGRAMME, PROGRAMME_STREAM, [PolicyDrafted(POLICY, "usr_1"), simulated, activated])
    year = (await place.store.now()).year
    await place.pool.execute(
        "insert into limit_bounded (scope, key, used, bound) values ('budget', $1, 0, 1000000)",
        f"{POLICY.programme}/{year}",
    )


async def put_claim(place: Place, *more: Event, **changes: Any) -> str:
    """A claim with everything that its approval asks for."""
    claim, number = ClaimId(new_id("clm", uuid7())), f"SH-{uuid4().hex[:12]}"
    person, organisation = new_id("per", uuid7()), new_id("org", uuid7())
    facts = {
        number: CertificateFact(
            new_id("crt", uuid7()), number, "qualification", "start_up", person, "prj_1", "ins_1", "310115", ISSUED
        ),
        organisation: OrganisationFact(
            organisation, "310115", FOUNDED, None, (RoleFact(person, "legal_representative", FOUNDED),)
        ),
        person: PersonFact(person),
    }
    for key, fact in facts.items():
        await place.pool.execute(
            "insert into fact (kind, key, value, log_id, position) values ($1, $2, $3, gen_random_uuid(), 0)",
            *(type(fact).__name__, key, msgspec.json.encode(fact)),
        )
    own = submission(
        claim_id=claim, person_id=person, organisation_id=organisation, certificate_no=number, **changes
    )  # fmt: skip
    await put(place, CLAIM, claim, [own, SCREENED, CHECKED, *more])
    return claim


async def begun(place: Place, kind: str, caller: Caller, claims: Sequence[str] | None) -> tuple[Operations, str]:
    operations = Operations(place.pool, decisions(place.store))
    districts = tuple(dict.fromkeys(caller.named("district")))
    asked = DecisionsAsked(caller, "approve", (), None if claims is None else tuple(claims), None, districts)
    return operations, (await operations.accept(kind, caller.key_space, asked)).operation.id


async def results(place: Place, operation: str) -> dict[str, Noted]:
    return {item.item: item for item in await read_items(place.pool, operation, 0, 10_000)}


async def approvals(place: Place, kind: type[Event] = ClaimApproved) -> dict[str, int]:
    """How many decisions each claim has."""
    tag = str(kind.__struct_config__.tag)
    rows = await place.pool.fetch("select stream, count(*) from event where type = $1 group by stream", tag)
    return {row[0]: row[1] for row in rows}


@pytest.mark.clause("B-17")
async def test_each_claim_of_a_selection_is_decided_by_the_rules_of_a_single_request(place: Place) -> None:
    await put_policy_and_budget(place)
    ready = [await put_claim(place, REVIEWED) for _ in range(3)]
    elsewhere = await put_claim(place, REVIEWED, review_district="310101")
    own = await put_claim(place, msgspec.structs.replace(REVIEWED, reviewer="usr_approver"))
    early = await put_claim(place)
    unknown = new_id("clm", uuid7())
    operations, id = await begun(place, APPROVE_SELECTION, APPROVER, [*ready, elsewhere, own, early, unknown])
    assert await operations.step()
    found = await operations.find(id)
    assert found is not None
    assert msgspec.json.decode(found.result or b"null", type=Counts) == Counts(3, 4)
    told = {
        claim: (item.status, msgspec.json.decode(item.problem or b"{}").get("code"))
        for claim, item in (await results(place, id)).items()
    }
    assert told == {
        **dict.fromkeys(ready, (200, None)),
        elsewhere: (403, "not_your_district"),
        own: (403, "second_person_required"),
        early: (409, "wrong_state"),
        unknown: (404, "not_found"),
    }
    signed = await place.pool.fetch(
        "select actor_client, actor_user from event where type = $1", str(ClaimApproved.__struct_config__.tag)
    )
    assert {(row["actor_client"], row["actor_user"]) for row in signed} == {("district-310115", "usr_approver")}


async def test_work_that_a_worker_died_in_goes_on_and_decides_nothing_twice(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_policy_and_budget(place)
    monkeypatch.setattr(long_items, "PIECE", 4)
    claims = [await put_claim(place, REVIEWED) for _ in range(20)]
    operations, id = await begun(place, APPROVE_SELECTION, APPROVER, claims)
    step = asyncio.create_task(operations.step())
    async with asyncio.timeout(30):
        while len(await approvals(place)) < 6:
            await asyncio.sleep(0.001)
    step.cancel()
    await asyncio.gather(step, return_exceptions=True)
    # A worker that dies between a decision and the note of it leaves the item as it was.
    await place.pool.execute("update operation_item set status = null where operation = $1 and number <= 3", id)
    assert await Operations(place.pool, decisions(place.store)).step()
    assert {item.status for item in (await results(place, id)).values()} == {200}
    assert await approvals(place) == dict.fromkeys(claims, 1)


@pytest.mark.clause("B-17")
async def test_a_selection_by_what_the_lists_show_is_chosen_once(place: Place) -> None:
    await put_policy_and_budget(place)
    waiting = [await put_claim(place) for _ in range(5)]
    await put_claim(place, REVIEWED)
    await put_claim(place, review_district="310101")
    await listed(place)
    operations, id = await begun(place, REVIEW_SELECTION, REVIEWER, None)
    assert await operations.step()
    assert list(await results(place, id)) == sorted(waiting)
    assert set(waiting) <= (await approvals(place, ClaimReviewed)).keys()
    await put_claim(place)
    await listed(place)
    await place.pool.execute("update operation set status = 'running', finished_at = null where id = $1", id)
    assert await operations.step()
    begun_again = await operations.find(id)
    assert begun_again is not None
    assert begun_again.status == "succeeded"
    assert list(await results(place, id)) == sorted(waiting)


async def listed(place: Place) -> None:
    await place.follow(listing(DEFINITION.listers, place.store.types, DEFINITION.listing_version))


async def test_items_are_read_page_by_page_and_by_what_became_of_them(place: Place) -> None:
    await put_policy_and_budget(place)
    claims = [await put_claim(place, REVIEWED), new_id("clm", uuid7()), await put_claim(place, REVIEWED)]
    operations, id = await begun(place, APPROVE_SELECTION, APPROVER, claims)
    await operations.step()
    pages = [await read_items(place.pool, id, after, 2) for after in (0, 2, 3)]
    assert [[item.item for item in page] for page in pages] == [claims[:2], claims[2:], []]
    kinds = [await read_items(place.pool, id, 0, 9, kind) for kind in ("succeeded", "failed", "waiting")]
    assert [len(kind) for kind in kinds] == [2, 1, 0]

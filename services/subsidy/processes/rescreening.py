"""Claims that wait for a version are screened again when one comes into force.   (B-01; POLICY.md section 1)

A version that comes into force sets off long work over the claims that wait. A claim held after that begins is
screened by the event that held it: each is found by one of the two, whichever comes first.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

import msgspec

from services.subsidy.domain.claim import CLAIM, PERSON_PLACES, places_key
from services.subsidy.domain.claim_decisions import RescreenClaim
from services.subsidy.domain.claim_events import ClaimHeld
from services.subsidy.domain.policy import PolicyActivated
from services.subsidy.domain.policy_version import MOST_PLACES
from services.subsidy.intake.judging import active_versions, facts_of, judged_by, registered_of
from services.subsidy.processes.parts import DONE, OWN, Outside, carried
from shared.eventstore.calls import Context
from shared.eventstore.decider import Rejection
from shared.eventstore.interruptions import AskLater
from shared.eventstore.listing import read_page, shows_what_is_there
from shared.eventstore.needs import IdempotencyKey, Needs
from shared.eventstore.process import Ask, Command, Process, Reaction
from shared.eventstore.record import Actor, Record, tag_of
from shared.eventstore.store import Store
from shared.eventstore.work import Answer, Work
from shared.runtime.long_work import Progress
from shared.values.calendar import shanghai_date
from shared.values.ids import uuid7

RESCREENING = "rescreening"
PAGE = 64
LISTED_WITHIN = 30.0


def _rescreen(claim_id: str, work: Work) -> Answer | Rejection:
    claim = work.state(CLAIM, claim_id)
    submission = claim.submission
    if submission is None or claim.ended or not claim.held_for("policy"):
        return DONE
    key = places_key(submission)
    places = tuple((PERSON_PLACES, f"{key}/{place}") for place in range(1, MOST_PLACES + 1))
    work.require(facts=facts_of(submission), unique=places, rows=(("policy", submission.programme),))
    known = registered_of(work, submission)
    if known is None:
        return DONE
    others = [holder for holder in work.holders(PERSON_PLACES, key, MOST_PLACES) if holder != claim_id]
    facts = judged_by(submission, known, places_held=len(others), attested=claim.attested)
    policy = active_versions(work, submission.programme).on(submission.judged_on)
    return carried(work, claim_id, RescreenClaim(policy, facts, shanghai_date(work.now)))


# -- a claim that is held for a version, which may have come into force meanwhile ------------------------------------


def _held(record: Record) -> Sequence[Reaction]:
    event = OWN.decode(record.type, record.payload)
    assert isinstance(event, ClaimHeld)
    if event.reason != "policy":
        return ()
    needs = Needs(streams=(record.stream,))
    return (Command(needs=needs, handler=partial(_rescreen, record.stream)),)


HELD = Process(name="held-for-policy", on=frozenset({tag_of(ClaimHeld)}), react=_held)


# -- a version that comes into force, for which claims may wait -------------------------------------------------------


class RescreeningAsked(msgspec.Struct, frozen=True):
    programme: str


def _activated(record: Record) -> Sequence[Reaction]:
    return (Ask(ask=partial(_accept, record)),)


async def _accept(record: Record, outside: Outside) -> None:
    event = OWN.decode(record.type, record.payload)
    assert isinstance(event, PolicyActivated)
    key = IdempotencyKey("process:rescreening", str(record.id), b"")
    await outside.operations.accept(RESCREENING, key.client, RescreeningAsked(event.programme), key)


ACTIVATED = Process(name="rescreening", on=frozenset({tag_of(PolicyActivated)}), react=_activated)


async def rescreen(store: Store, input: bytes, progress: Progress) -> dict[str, int]:
    """Screen all claims of a programme that are held for a version. Begun again, it goes on with those still held."""
    programme = msgspec.json.decode(input, type=RescreeningAsked).programme
    if not await shows_what_is_there(store.pool, LISTED_WITHIN):
        raise AskLater("the list of claims has not caught up")
    context = Context(actor=Actor("process:rescreening"), correlation_id=uuid7())
    after: str | None = None
    done = 0
    while True:
        found = await read_page(store.pool, "claim", ["hold:policy", f"programme:{programme}"], after, PAGE)
        claims = [msgspec.json.decode(item)["id"] for item in found.items]
        await asyncio.gather(*(store.carry_out(Needs(streams=(id,)), partial(_rescreen, id), context) for id in claims))
        done += len(claims)
        await progress.tell(done)
        if found.next is None:
            return {"screened": done}
        after = found.next


PROCESSES = (HELD, ACTIVATED)

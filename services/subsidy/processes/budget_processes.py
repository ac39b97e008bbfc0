"""What a budget line makes happen: claims that waited for it go on, and unpaid commitments are carried over.   (B-12)

Both are long work over the claims that the list shows. What the list did not show yet is found by the claim's own
event: a hold that comes late, an order that comes back after its year was carried over.
"""

from collections.abc import Sequence
from datetime import MAXYEAR, MINYEAR, datetime
from decimal import Decimal
from functools import partial

import msgspec

from services.subsidy.domain.budget import (
    BUDGET_LINE,
    BeginYear,
    BudgetSet,
    BudgetYearBegun,
    CarryOverConfirmed,
    line_before,
    line_of,
    stream_of,
)
from services.subsidy.domain.budget import decide as decide_budget
from services.subsidy.domain.claim import BUDGET, CLAIM
from services.subsidy.domain.claim_events import (
    ClaimHeld,
    ClaimRejected,
    ClaimWithdrawn,
    CommitmentCarried,
    PaymentDropped,
    PaymentReturned,
)
from services.subsidy.domain.claim_payment import CarryCommitment, FreeForBudget
from services.subsidy.processes.parts import DONE, OWN, Outside, carried
from shared.eventstore.calls import Context
from shared.eventstore.decider import Rejection
from shared.eventstore.interruptions import AskLater
from shared.eventstore.listing import read_page, shows_what_is_there
from shared.eventstore.needs import IdempotencyKey, Needs
from shared.eventstore.process import Ask, Command, Process, Reaction, SetTimer
from shared.eventstore.record import Actor, Record, tag_of
from shared.eventstore.store import Store
from shared.eventstore.work import Answer, Work
from shared.runtime.long_work import Progress
from shared.values.calendar import shanghai_date
from shared.values.clocks import SHANGHAI
from shared.values.ids import uuid7

FREEING, CARRYING = "budget-freeing", "carry-over"
PAGE = 100
LISTED_WITHIN = 30.0
LINES_OF = range(MINYEAR, MAXYEAR + 1)
"""Years that have a first day."""
FREED = Answer(200, b"freed")


# -- a line's year begins ---------------------------------------------------------------------------------------------


def _time_year(record: Record) -> Sequence[Reaction]:
    event = OWN.decode(record.type, record.payload)
    assert isinstance(event, BudgetSet)
    if event.year not in LINES_OF:
        return ()
    return (SetTimer(key=event.line, due_at=datetime(event.year, 1, 1, tzinfo=SHANGHAI), payload=b""),)


def _begin_year(line: str, payload: bytes) -> Sequence[Command]:
    stream = stream_of(line)

    def handle(work: Work) -> Answer | Rejection:
        decision = decide_budget(BeginYear(shanghai_date(work.now)), work.state(BUDGET_LINE, stream))
        if isinstance(decision, Rejection):
            return decision
        work.append(BUDGET_LINE, stream, decision)
        return DONE

    return (Command(needs=Needs(streams=(stream,)), handler=handle),)


YEARS = Process(name="budget-year", on=frozenset({tag_of(BudgetSet)}), react=_time_year, wake=_begin_year)


# -- claims that waited for the budget --------------------------------------------------------------------------------


class LineAsked(msgspec.Struct, frozen=True):
    line: str


def _money_there(record: Record) -> Sequence[Reaction]:
    return (Ask(ask=partial(_accept_freeing, record)),)


async def _accept_freeing(record: Record, outside: Outside) -> None:
    event = OWN.decode(record.type, record.payload)
    assert isinstance(event, BudgetSet | BudgetYearBegun)
    await _accept(record, outside, FREEING, LineAsked(event.line))


async def _accept(record: Record, outside: Outside, kind: str, input: LineAsked) -> None:
    key = IdempotencyKey(f"process:{kind}", str(record.id), b"")
    await outside.operations.accept(kind, key.client, input, key)


FREED_BY_LINE = Process(
    name="budget-freeing", on=frozenset({tag_of(BudgetSet), tag_of(BudgetYearBegun)}), react=_money_there
)


def _held(record: Record) -> Sequence[Reaction]:
    """A hold that was written while the line was raised: the list did not show it then."""
    event = OWN.decode(record.type, record.payload)
    assert isinstance(event, ClaimHeld)
    if event.reason != "budget":
        return ()
    needs = Needs(streams=(record.stream,))
    return (Command(needs=needs, handler=partial(_free, record.stream, Decimal(0))),)


HELD = Process(name="held-for-budget", on=frozenset({tag_of(ClaimHeld)}), react=_held)


def _ended(record: Record) -> Sequence[Reaction]:
    return (Ask(ask=partial(_accept_freeing_behind, record)),)


async def _accept_freeing_behind(record: Record, outside: Outside) -> None:
    """A claim that had been approved gave its commitment back: others may have waited for it."""
    work = await outside.store.look(Needs(streams=(record.stream,)))
    line = work.state(CLAIM, record.stream).budget_line
    if line is not None:
        await _accept(record, outside, FREEING, LineAsked(line))


GIVEN_BACK = Process(
    name="commitment-given-back", on=frozenset({tag_of(ClaimRejected), tag_of(ClaimWithdrawn)}), react=_ended
)


def _free(claim_id: str, promised: Decimal, work: Work) -> Answer | Rejection:
    """Lift the hold if this year's line has room beside what was `promised` to others (CNY)."""
    claim = work.state(CLAIM, claim_id)
    if claim.submission is None or claim.amount is None or not claim.held_for("budget"):
        return DONE
    line = line_of(claim.submission.programme, shanghai_date(work.now).year)
    work.require(bounded=((BUDGET, line),))
    fits = work.left(BUDGET, line) - promised >= claim.amount
    outcome = carried(work, claim_id, FreeForBudget(fits))
    return FREED if fits and outcome is DONE else outcome


class _Listed(msgspec.Struct):
    id: str
    amount: Decimal | None = None


async def free(store: Store, input: bytes, progress: Progress) -> dict[str, int]:
    """Lift the holds of as many claims as the line has room for, oldest first; people approve them then."""
    programme = msgspec.json.decode(input, type=LineAsked).line.rpartition("/")[0]
    promised, done = Decimal(0), 0
    for claim in await _listed(store, ["hold:budget", f"programme:{programme}"]):
        handler = partial(_free, claim.id, promised)
        outcome = (await store.carry_out(Needs(streams=(claim.id,)), handler, _context(FREEING))).outcome
        if outcome == FREED:
            promised += claim.amount or Decimal(0)
            done += 1
            await progress.tell(done)
    return {"freed": done}


async def _listed(store: Store, facets: list[str]) -> list[_Listed]:
    if not await shows_what_is_there(store.pool, LISTED_WITHIN):
        raise AskLater("the list of claims has not caught up")
    claims: list[_Listed] = []
    after: str | None = None
    while True:
        found = await read_page(store.pool, "claim", facets, after, PAGE)
        claims += [msgspec.json.decode(item, type=_Listed) for item in found.items]
        if found.next is None:
            return claims
        after = found.next


def _context(kind: str) -> Context:
    return Context(actor=Actor(f"process:{kind}"), correlation_id=uuid7())


# -- carry-over at the year's end -------------------------------------------------------------------------------------


def _decided(record: Record) -> Sequence[Reaction]:
    return (Ask(ask=partial(_accept_carrying, record)),)


async def _accept_carrying(record: Record, outside: Outside) -> None:
    """Two persons have decided it; or the line that it goes to was raised after they had."""
    event = OWN.decode(record.type, record.payload)
    assert isinstance(event, CarryOverConfirmed | BudgetSet)
    if isinstance(event, CarryOverConfirmed):
        return await _accept(record, outside, CARRYING, LineAsked(event.line))
    before = stream_of(line_before(event.line))
    work = await outside.store.look(Needs(streams=(before,)))
    if work.state(BUDGET_LINE, before).carried_to == event.line:
        await _accept(record, outside, CARRYING, LineAsked(line_before(event.line)))
    return None


CARRIED_OVER = Process(name="carry-over", on=frozenset({tag_of(CarryOverConfirmed), tag_of(BudgetSet)}), react=_decided)


def _back(record: Record) -> Sequence[Reaction]:
    """An order that was in flight when its year was carried over came back, or was never given.

    What is carried goes on to the line that its new year was carried to, if that has ended as well.
    """
    return (Command(needs=Needs(streams=(record.stream,)), handler=partial(_carry, record.stream)),)


BACK = Process(
    name="carry-over-later",
    on=frozenset({tag_of(PaymentReturned), tag_of(PaymentDropped), tag_of(CommitmentCarried)}),
    react=_back,
)


def _carry(claim_id: str, work: Work) -> Answer | Rejection:
    claim = work.state(CLAIM, claim_id)
    if claim.budget_line is None:
        return DONE
    stream = stream_of(claim.budget_line)
    work.require(stream)
    to_line = work.state(BUDGET_LINE, stream).carried_to
    if to_line is None:
        return DONE
    work.require(bounded=((BUDGET, to_line),))
    fits = work.left(BUDGET, to_line) >= (claim.amount or Decimal(0))
    return carried(work, claim_id, CarryCommitment(claim.budget_line, to_line, shanghai_date(work.now), fits))


async def carry(store: Store, input: bytes, progress: Progress) -> dict[str, int]:
    """Carry the unpaid commitments of a line to the next one. `left` are those for which there was no room."""
    line = msgspec.json.decode(input, type=LineAsked).line
    done, left = 0, 0
    for claim in await _listed(store, [f"unpaid:{line}"]):
        handler = partial(_carry, claim.id)
        outcome = (await store.carry_out(Needs(streams=(claim.id,)), handler, _context(CARRYING))).outcome
        left += isinstance(outcome, Rejection)
        done += 1
        await progress.tell(done)
    return {"looked_at": done, "left": left}


PROCESSES = (YEARS, FREED_BY_LINE, HELD, GIVEN_BACK, CARRIED_OVER, BACK)

"""`/v1/whitelist/entries`: reading them, suspending and revoking one.   (A-12)"""

from fastapi import Request
from fastapi.responses import Response

from services.loans.api.fields import EntryPath, acting_for, facets, own_facets
from services.loans.domain.entry import (
    ENTRY,
    Cause,
    Entry,
    EntryCommand,
    EntryInEffect,
    RevokeEntry,
    Status,
    SuspendEntry,
    decide,
)
from services.loans.projections.lists import ShownEntry
from services.loans.projections.lists import entry as shown
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import StaffText
from shared.web.lists import page
from shared.web.problem import of_rejection
from shared.web.routes import Body, router
from shared.web.signing.declared import signed

api = router("白名单记录")

KEEPERS = ("carrier:*", "district:*/reviewer", "district:*/approver", "city")
READERS = ("bank:*", "carrier:*", "district:*/*", "city", "auditor")


class Reason(Body):
    """`reason` is kept on record; neither banks nor messages show it."""

    reason: StaffText


@api.post("/whitelist/entries/{entry_id}:suspend", summary="暂停一条白名单记录")
@allow(*KEEPERS)
@carries_out(ShownEntry)
async def suspend(request: Request, entry_id: EntryPath, body: Reason) -> Response:
    cause, by = _signed(request)

    def handle(work: Work) -> Answer | Rejection:
        return _carried(request, work, entry_id, SuspendEntry(cause, body.reason, by, shanghai_date(work.now)))

    return await command(request, Needs(streams=(entry_id,)), handle)


@api.post("/whitelist/entries/{entry_id}:revoke", summary="撤销一条白名单记录")
@allow(*KEEPERS)
@carries_out(ShownEntry)
async def revoke(request: Request, entry_id: EntryPath, body: Reason) -> Response:
    cause, by = _signed(request)

    def handle(work: Work) -> Answer | Rejection:
        return _carried(request, work, entry_id, RevokeEntry(cause, body.reason, by, shanghai_date(work.now)))

    return await command(request, Needs(streams=(entry_id,)), handle)


def _signed(request: Request) -> tuple[Cause, str]:
    """The carrier takes back its own recommendation; for a district or the city a person decides."""
    caller = caller_of(request)
    if caller.named("carrier"):
        return "recommender", f"carrier:{acting_for(request, 'carrier')}"
    return "authority", caller.person


def _carried(request: Request, work: Work, entry_id: str, wanted: EntryCommand) -> Answer | Rejection:
    entry = work.state(ENTRY, entry_id)
    refusal = _not_yours(request, entry)
    if refusal is not None:
        return refusal
    decision = decide(wanted, entry)
    if isinstance(decision, Rejection):
        return decision
    return answer(work, entry_id, shown(entry_id, work.append(ENTRY, entry_id, decision), shanghai_date(work.now)))


def _not_yours(request: Request, entry: Entry) -> Rejection | None:
    if entry.terms is None:
        return unknown("白名单记录")
    if _visible(request, entry.terms):
        return None
    return Rejection(code="not_your_entry", detail="只能处理本单位推荐或本区审核的白名单记录", status=403)


def _visible(request: Request, terms: EntryInEffect) -> bool:
    own = own_facets(request)
    kept = {f"carrier:{terms.carrier_code}", f"district:{terms.district}", *(f"bank:{b}" for b in terms.bank_codes)}
    return not own or own[0] in kept


@api.get("/whitelist/entries", summary="白名单记录列表")
@allow(*READERS)
@signed
@lists(ShownEntry)
async def listed(request: Request, status: Status | None = None) -> Response:
    return await page(request, "whitelist_entry", [*facets(status=status), *own_facets(request)])


@api.get("/whitelist/entries/{entry_id}", summary="白名单记录")
@allow(*READERS)
@signed
@shows(ShownEntry, changes_by_day=True)
async def read(request: Request, entry_id: EntryPath) -> Response:
    work = await store_of(request).look(Needs(streams=(entry_id,)))
    entry = work.state(ENTRY, entry_id)
    if entry.terms is None or not _visible(request, entry.terms):
        raise of_rejection(unknown("白名单记录"))
    found = answer(work, entry_id, shown(entry_id, entry, shanghai_date(work.now)))
    return current(request, found, changes_by_day=True)

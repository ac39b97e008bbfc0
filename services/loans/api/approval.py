"""`/v1/whitelist/batches/{id}/approval`: the second person's decision, which puts entries in effect.   (A-12)"""

from datetime import date

from fastapi import Request
from fastapi.responses import Response

from services.loans.api.batches import Decision, approved, carried, grounds, not_yours, reasons_given, shown
from services.loans.api.fields import BatchPath
from services.loans.domain.batch import (
    BATCH,
    ApproveBatch,
    BatchRecommended,
    Recommendation,
    RejectBatch,
    Standing,
    decide,
)
from services.loans.domain.entry import (
    ENTRY,
    EntryCommand,
    EntryInEffect,
    ExpireEntry,
    PutInEffect,
    pair,
    whitelist_of,
)
from services.loans.domain.entry import decide as decide_entry
from services.loans.intake.judging import facts_needed, judged_by
from services.loans.projections.lists import ShownBatch
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.ids import WhitelistEntryId
from shared.web.answers import carries_out
from shared.web.caller import allow, caller_of
from shared.web.command import command, store_of, unknown
from shared.web.problem import of_rejection
from shared.web.routes import router

api = router("白名单批次")


@api.post("/whitelist/batches/{batch_id}/approval", summary="批准：由审核人以外的另一人作出")
@allow("district:*/approver")
@carries_out(ShownBatch)
async def approve(request: Request, batch_id: BatchPath, body: Decision) -> Response:
    person = caller_of(request).person
    reasons_given(body)
    seen = await store_of(request).look(Needs(streams=(batch_id,)))
    recommended = seen.state(BATCH, batch_id).recommended
    if recommended is None:
        raise of_rejection(unknown("推荐批次"))

    def handle(work: Work) -> Answer | Rejection:
        batch = work.state(BATCH, batch_id)
        refusal = not_yours(request, batch, "approver")
        if refusal is not None:
            return refusal
        today = shanghai_date(work.now)
        if body.decision == "reject":
            return carried(work, batch_id, RejectBatch(person, body.reasons, today))
        lapsed = _lapsed(work, recommended)
        standings = _standings(work, recommended, lapsed)
        if standings is None:
            return Rejection(code="fact_pending", detail="登记信息尚未到达，请稍后重试", status=503)
        decision = decide(ApproveBatch(person, standings, today), batch)
        if isinstance(decision, Rejection):
            return decision
        for entry_id in lapsed:
            _carry(work, entry_id, ExpireEntry(today))
        batch = work.append(BATCH, batch_id, decision)
        for entry in recommended.entries:
            if entry.entry_id in approved(batch):
                _carry(work, entry.entry_id, PutInEffect(_terms(recommended, entry, today)))
        return shown(work, batch_id)

    return await command(request, _needs(batch_id, recommended), handle)


def _needs(batch_id: str, recommended: BatchRecommended) -> Needs:
    return Needs(
        streams=(batch_id,),
        unique=tuple(
            (whitelist_of(bank), pair(entry.person_id, entry.organisation_id))
            for entry in recommended.entries
            for bank in recommended.bank_codes
        ),
        facts=tuple(fact for entry in recommended.entries for fact in facts_needed(*grounds(entry))),
    )


def _holders(work: Work, recommended: BatchRecommended, entry: Recommendation) -> list[str]:
    """The entries under which the banks see this person and organisation already."""
    key = pair(entry.person_id, entry.organisation_id)
    held = (work.holder(whitelist_of(bank), key) for bank in recommended.bank_codes)
    return [holder for holder in held if holder is not None]


def _lapsed(work: Work, recommended: BatchRecommended) -> list[str]:
    """Entries in the way whose last day has passed, though no timer has woken yet: they expire with this approval."""
    holders = {holder: None for entry in recommended.entries for holder in _holders(work, recommended, entry)}
    work.require(*holders)
    today = shanghai_date(work.now)
    return [holder for holder in holders if work.state(ENTRY, holder).status_on(today) == "expired"]


def _standings(work: Work, recommended: BatchRecommended, lapsed: list[str]) -> dict[WhitelistEntryId, Standing] | None:
    today = shanghai_date(work.now)
    standings = {}
    for entry in recommended.entries:
        facts = judged_by(work, *grounds(entry), today)
        if facts is None:
            return None
        held_by = [holder for holder in _holders(work, recommended, entry) if holder not in lapsed]
        standings[entry.entry_id] = Standing(facts, held_by[0] if held_by else None)
    return standings


def _terms(recommended: BatchRecommended, entry: Recommendation, today: date) -> EntryInEffect:
    return EntryInEffect(
        entry_id=entry.entry_id,
        batch_id=recommended.batch_id,
        carrier_code=recommended.carrier_code,
        district=recommended.district,
        bank_codes=recommended.bank_codes,
        person_id=entry.person_id,
        organisation_id=entry.organisation_id,
        consent_id=entry.consent_id,
        valid_from=today,
        valid_until=recommended.valid_until,
        certificate_no=entry.certificate_no,
    )


def _carry(work: Work, entry_id: str, wanted: EntryCommand) -> None:
    """An entry's part of the approval. It cannot be refused: what it depends on was settled with the batch."""
    decision = decide_entry(wanted, work.state(ENTRY, entry_id))
    if isinstance(decision, Rejection):
        raise AssertionError(decision.code)
    work.append(ENTRY, entry_id, decision)

"""`/v1/whitelist/batches`: recommendation by a carrier, review and approval by its district.   (A-12)"""

from datetime import date
from typing import Annotated, Literal

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from services.loans.api.arrival import Named, ensure_arrived
from services.loans.api.fields import BatchPath, PartyCode, acting_for, facets, own_facets
from services.loans.domain.batch import (
    BATCH,
    MOST_ENTRIES,
    Batch,
    BatchCommand,
    Candidate,
    Recommendation,
    RecommendBatch,
    RejectBatch,
    ReviewBatch,
    Status,
    decide,
)
from services.loans.domain.entry import ENTRY
from services.loans.intake.facts import (
    BankFact,
    CarrierFact,
    CertificateFact,
    ConsentFact,
    OrganisationFact,
    PersonFact,
)
from services.loans.intake.judging import facts_needed, judged_by
from services.loans.projections.lists import ListedBatch, ShownBatch
from services.loans.projections.lists import batch as shown_batch
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs, fact_of
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.districts import District
from shared.values.ids import ConsentId, OrganisationId, PersonId, WhitelistBatchId, WhitelistEntryId, new_id, uuid7
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import Code, ConsentRef, Day, OrganisationRef, PersonRef, StaffText
from shared.web.lists import page
from shared.web.problem import invalid_field, of_rejection
from shared.web.routes import Body, router

api = router("白名单批次")

MOST_BANKS = 10


class NewEntry(Body):
    person_id: PersonRef
    organisation_id: OrganisationRef
    consent_id: ConsentRef
    certificate_no: Code | None = None


class NewBatch(Body):
    """`valid_until`, inclusive, is at most 24 months ahead; `bank_codes` are the banks that may see the entries."""

    bank_codes: Annotated[frozenset[PartyCode], Field(min_length=1, max_length=MOST_BANKS)]
    valid_until: Day
    entries: Annotated[tuple[NewEntry, ...], Field(min_length=1, max_length=MOST_ENTRIES)]


class Decision(Body):
    decision: Literal["approve", "reject"]
    reasons: Annotated[tuple[StaffText, ...], Field(max_length=20)] = ()


# -- recommendation ---------------------------------------------------------------------------------------------------


class _FactMissing(Exception):
    """A fact about an id of the body has not arrived, or there is no such thing."""


@api.post(
    "/whitelist/batches",
    status_code=201,
    summary="推荐一批创业者",
    description=("由载体推荐，每人须有向银行推荐的有效授权。`valid_until` 最迟为 24 个月后，当日有效。"),
)
@allow("carrier:*")
@carries_out(ShownBatch)
async def recommend(request: Request, body: NewBatch) -> Response:
    carrier_code = acting_for(request, "carrier")
    batch_id = WhitelistBatchId(new_id("wlb", uuid7()))
    entry_ids = [WhitelistEntryId(new_id("wle", uuid7())) for _ in body.entries]
    banks = tuple(sorted(body.bank_codes))
    needs = Needs(
        facts=(
            fact_of(CarrierFact, carrier_code),
            *(fact_of(BankFact, bank) for bank in banks),
            *(fact for entry in body.entries for fact in facts_needed(*grounds(entry))),
        )
    )

    def handle(work: Work) -> Answer | Rejection:
        today = shanghai_date(work.now)
        carrier = work.fact(CarrierFact, carrier_code)
        if carrier is None or any(work.fact(BankFact, bank) is None for bank in banks):
            raise _FactMissing
        candidates = tuple(
            _candidate(work, entry_id, entry, today) for entry_id, entry in zip(entry_ids, body.entries, strict=True)
        )
        recommendation = RecommendBatch(
            batch_id, carrier_code, carrier.district, banks, body.valid_until, candidates, today
        )
        decision = decide(recommendation, Batch())
        if isinstance(decision, Rejection):
            return decision
        work.append(BATCH, batch_id, decision)
        return shown(work, batch_id, 201)

    location = "/v1/whitelist/batches/{id}"
    try:
        return await command(request, needs, handle, location=location)
    except _FactMissing:
        await ensure_arrived(request, _named(body, carrier_code))
        return await command(request, needs, handle, location=location)


def grounds(entry: NewEntry | Recommendation) -> tuple[str, str, str, str | None]:
    """What an entry is judged by, in the order of `facts_needed` and `judged_by`."""
    return entry.person_id, entry.organisation_id, entry.consent_id, entry.certificate_no


def _candidate(work: Work, entry_id: WhitelistEntryId, entry: NewEntry, today: date) -> Candidate:
    facts = judged_by(work, *grounds(entry), today)
    if facts is None:
        raise _FactMissing
    return Candidate(
        entry_id,
        PersonId(entry.person_id),
        OrganisationId(entry.organisation_id),
        ConsentId(entry.consent_id),
        entry.certificate_no,
        facts,
    )


def _named(body: NewBatch, carrier_code: str) -> list[Named]:
    named = [Named(CarrierFact, carrier_code, "")]
    named += [Named(BankFact, bank, "/bank_codes") for bank in sorted(body.bank_codes)]
    for n, entry in enumerate(body.entries):
        at = f"/entries/{n}"
        named.append(Named(PersonFact, entry.person_id, f"{at}/person_id"))
        named.append(Named(OrganisationFact, entry.organisation_id, f"{at}/organisation_id"))
        named.append(Named(ConsentFact, entry.consent_id, f"{at}/consent_id", entry.person_id))
        if entry.certificate_no is not None:
            named.append(Named(CertificateFact, entry.certificate_no, f"{at}/certificate_no"))
    return named


# -- review; the approval is in `approval.py` --------------------------------------------------------------------------


@api.post("/whitelist/batches/{batch_id}/review", summary="审核：建议批准或不予批准")
@allow("district:*/reviewer")
@carries_out(ShownBatch)
async def review(request: Request, batch_id: BatchPath, body: Decision) -> Response:
    person = caller_of(request).person
    reasons_given(body)

    def handle(work: Work) -> Answer | Rejection:
        refusal = not_yours(request, work.state(BATCH, batch_id), "reviewer")
        if refusal is not None:
            return refusal
        today = shanghai_date(work.now)
        if body.decision == "reject":
            return carried(work, batch_id, RejectBatch(person, body.reasons, today))
        return carried(work, batch_id, ReviewBatch(person, body.reasons, today))

    return await command(request, Needs(streams=(batch_id,)), handle)


def reasons_given(body: Decision) -> None:
    if body.decision == "reject" and not body.reasons:
        raise invalid_field("/reasons", "reasons_required", "须写明理由")


def carried(work: Work, batch_id: str, wanted: BatchCommand) -> Answer | Rejection:
    decision = decide(wanted, work.state(BATCH, batch_id))
    if isinstance(decision, Rejection):
        return decision
    work.append(BATCH, batch_id, decision)
    return shown(work, batch_id)


def not_yours(request: Request, batch: Batch, role: str) -> Rejection | None:
    """Only the carrier's district acts on its batches."""
    if batch.recommended is None:
        return unknown("推荐批次")
    district = batch.recommended.district
    if caller_of(request).holds(f"district:{district}/{role}"):
        return None
    return Rejection(code="not_your_district", detail=f"此批次由{District(district).zh}审核", status=403)


# -- reading ----------------------------------------------------------------------------------------------------------


def approved(batch: Batch) -> tuple[str, ...]:
    """The streams of the batch's approved entries."""
    return tuple(entry.recommendation.entry_id for entry in batch.entries if entry.status == "approved")


def shown(work: Work, batch_id: str, status: int = 200) -> Answer:
    """The batch with what has become of its approved entries, whose streams must have been loaded."""
    batch, today = work.state(BATCH, batch_id), shanghai_date(work.now)
    entries = {id: work.state(ENTRY, id).status_on(today) for id in approved(batch)}
    return answer(work, batch_id, shown_batch(batch_id, batch, entries), status)


@api.get("/whitelist/batches", summary="推荐批次列表")
@allow("carrier:*", "district:*/*", "city", "auditor")
@lists(ListedBatch)
async def listed(request: Request, status: Status | None = None) -> Response:
    return await page(request, "whitelist_batch", [*facets(status=status), *own_facets(request)])


@api.get("/whitelist/batches/{batch_id}", summary="推荐批次")
@allow("carrier:*", "district:*/*", "city", "auditor")
@shows(ShownBatch, changes_by_day=True)
async def read(request: Request, batch_id: BatchPath) -> Response:
    store = store_of(request)
    batch = (await store.look(Needs(streams=(batch_id,)))).state(BATCH, batch_id)
    if batch.recommended is None or not _visible(request, batch.recommended.carrier_code, batch.recommended.district):
        raise of_rejection(unknown("推荐批次"))
    work = await store.look(Needs(streams=(batch_id, *approved(batch))))
    found = shown(work, batch_id)
    return current(request, found, changes_by_day=True)


def _visible(request: Request, carrier_code: str, district: str) -> bool:
    own = own_facets(request)
    return not own or own[0] in (f"carrier:{carrier_code}", f"district:{district}")

"""Batch: founders whom a carrier recommends to banks together.   (沪人社就〔2023〕162号 二(六))"""

from datetime import date
from typing import Final, Literal

import msgspec

from services.loans.domain.screening import Facts, RuleResult, already_in_effect, screen
from shared.eventstore.decider import Aggregate, Decision, Event, FieldError, Rejection
from shared.values.calendar import add_months
from shared.values.ids import ConsentId, OrganisationId, PersonId, WhitelistBatchId, WhitelistEntryId

MOST_ENTRIES: Final = 200
LONGEST_VALIDITY_MONTHS: Final = 24

Status = Literal["recommended", "reviewed", "approved", "rejected"]
EntryStatus = Literal["recommended", "approved", "refused", "rejected"]


class Recommendation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One founder and organisation, with the rules' results when they were recommended."""

    entry_id: WhitelistEntryId
    person_id: PersonId
    organisation_id: OrganisationId
    consent_id: ConsentId
    screening: tuple[RuleResult, ...]
    certificate_no: str | None = None


class Refusal(msgspec.Struct, frozen=True):
    """An entry that was left out of an approval, and the rules that it then failed."""

    entry_id: WhitelistEntryId
    failed: tuple[RuleResult, ...]


# -- events: what happened; the names are the storage format -------------------------------------------------------


class BatchRecommended(Event, frozen=True, tag="loans.BatchRecommended.v1"):
    """`district`, the carrier's, reviews; only `bank_codes` will ever see the entries.   (A-12)"""

    batch_id: WhitelistBatchId
    carrier_code: str
    district: str
    bank_codes: tuple[str, ...]
    valid_until: date
    entries: tuple[Recommendation, ...]
    recommended_on: date


class BatchReviewed(Event, frozen=True, tag="loans.BatchReviewed.v1"):
    """A reviewer recommends approval; a second person decides."""

    batch_id: WhitelistBatchId
    reviewer: str
    reasons: tuple[str, ...]
    reviewed_on: date


class BatchApproved(Event, frozen=True, tag="loans.BatchApproved.v1"):
    """A second person approved the entries whose screening passed that day; the others are refused by name."""

    batch_id: WhitelistBatchId
    approver: str
    approved: tuple[WhitelistEntryId, ...]
    refused: tuple[Refusal, ...]
    approved_on: date


class BatchRejected(Event, frozen=True, tag="loans.BatchRejected.v1"):
    """A person signed the rejection of the whole batch, with reasons."""

    batch_id: WhitelistBatchId
    decided_by: str
    reasons: tuple[str, ...]
    rejected_on: date


BatchEvent = BatchRecommended | BatchReviewed | BatchApproved | BatchRejected
EVENTS = (BatchRecommended, BatchReviewed, BatchApproved, BatchRejected)


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class BatchEntry(msgspec.Struct, frozen=True):
    """An entry as this batch decided on it; what became of an approved one is its own stream's to tell."""

    recommendation: Recommendation
    status: EntryStatus
    screening: tuple[RuleResult, ...]


class Batch(msgspec.Struct, frozen=True):
    recommended: BatchRecommended | None = None
    status: Status = "recommended"
    entries: tuple[BatchEntry, ...] = ()
    reviewer: str | None = None
    approver: str | None = None
    reasons: tuple[str, ...] = ()


def evolve(batch: Batch, event: BatchEvent) -> Batch:
    replace = msgspec.structs.replace
    match event:
        case BatchRecommended():
            return Batch(event, entries=tuple(BatchEntry(e, "recommended", e.screening) for e in event.entries))
        case BatchReviewed():
            return replace(batch, status="reviewed", reviewer=event.reviewer, reasons=event.reasons)
        case BatchApproved():
            refused = {refusal.entry_id: refusal.failed for refusal in event.refused}
            entries = tuple(_decided(entry, refused) for entry in batch.entries)
            return replace(batch, status="approved", approver=event.approver, entries=entries)
        case BatchRejected():
            entries = tuple(replace(entry, status="rejected") for entry in batch.entries)
            return replace(batch, status="rejected", reasons=event.reasons, entries=entries)


def _decided(entry: BatchEntry, refused: dict[WhitelistEntryId, tuple[RuleResult, ...]]) -> BatchEntry:
    """A refused entry shows the rules that it failed then in the place of what they said before."""
    failed = refused.get(entry.recommendation.entry_id)
    if failed is None:
        return msgspec.structs.replace(entry, status="approved")
    now = {result.rule: result for result in failed}
    screening = [now.pop(result.rule, result) for result in entry.screening]
    return msgspec.structs.replace(entry, status="refused", screening=(*screening, *now.values()))


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class Candidate(msgspec.Struct, frozen=True):
    entry_id: WhitelistEntryId
    person_id: PersonId
    organisation_id: OrganisationId
    consent_id: ConsentId
    certificate_no: str | None
    facts: Facts


class RecommendBatch(msgspec.Struct, frozen=True):
    batch_id: WhitelistBatchId
    carrier_code: str
    district: str
    bank_codes: tuple[str, ...]
    valid_until: date
    candidates: tuple[Candidate, ...]
    today: date


class ReviewBatch(msgspec.Struct, frozen=True):
    reviewer: str
    reasons: tuple[str, ...]
    today: date


class Standing(msgspec.Struct, frozen=True):
    """An entry's facts now; `held_by`: the entry under which one of the banks sees this pair already."""

    facts: Facts
    held_by: str | None = None


class ApproveBatch(msgspec.Struct, frozen=True):
    """`standings` by entry id: what a bank relies on is checked again at approval."""

    approver: str
    standings: dict[WhitelistEntryId, Standing]
    today: date


class RejectBatch(msgspec.Struct, frozen=True):
    decided_by: str
    reasons: tuple[str, ...]
    today: date


BatchCommand = RecommendBatch | ReviewBatch | ApproveBatch | RejectBatch


def decide(command: BatchCommand, batch: Batch) -> Decision:
    match command:
        case RecommendBatch():
            return _recommend(command)
        case _ if batch.recommended is None:
            return Rejection(code="not_found", detail="没有找到这个推荐批次", status=404)
        case ReviewBatch():
            if batch.status != "recommended":
                return wrong_state(batch, "审核")
            return [BatchReviewed(batch.recommended.batch_id, command.reviewer, command.reasons, command.today)]
        case ApproveBatch():
            return _approve(command, batch, batch.recommended)
        case RejectBatch():
            if batch.status not in ("recommended", "reviewed"):
                return wrong_state(batch, "不予批准")
            return [BatchRejected(batch.recommended.batch_id, command.decided_by, command.reasons, command.today)]


def wrong_state(batch: Batch, act: str) -> Rejection:
    return Rejection(code="wrong_state", detail=f"推荐批次当前状态不能{act}", extensions={"batch_status": batch.status})


def _recommend(command: RecommendBatch) -> Decision:
    if not 1 <= len(command.candidates) <= MOST_ENTRIES:
        return _invalid("/entries", "batch_size", f"一个批次须有 1 至 {MOST_ENTRIES} 条")
    if not command.bank_codes:
        return _invalid("/bank_codes", "bank_missing", "须指明推荐给哪些银行")
    last = add_months(command.today, LONGEST_VALIDITY_MONTHS)
    if not command.today <= command.valid_until <= last:
        return _invalid("/valid_until", "validity", f"有效期须在 {command.today} 至 {last} 之间")
    seen: set[tuple[str, str]] = set()
    for n, candidate in enumerate(command.candidates):
        pair = (candidate.person_id, candidate.organisation_id)
        if pair in seen:
            return _invalid(f"/entries/{n}", "duplicate_entry", "同一人与同一组织在一个批次中只能推荐一次")
        seen.add(pair)
    entries = tuple(
        Recommendation(c.entry_id, c.person_id, c.organisation_id, c.consent_id, screen(c.facts), c.certificate_no)
        for c in command.candidates
    )
    return [
        BatchRecommended(
            batch_id=command.batch_id,
            carrier_code=command.carrier_code,
            district=command.district,
            bank_codes=command.bank_codes,
            valid_until=command.valid_until,
            entries=entries,
            recommended_on=command.today,
        )
    ]


def _invalid(pointer: str, code: str, detail: str) -> Rejection:
    fields = (FieldError(pointer, code, detail),)
    return Rejection(code="invalid_request", detail="请求内容有误，请按提示修改", status=422, fields=fields)


def _approve(command: ApproveBatch, batch: Batch, recommended: BatchRecommended) -> Decision:
    if batch.status != "reviewed":
        return wrong_state(batch, "批准")
    if command.approver == batch.reviewer:
        return Rejection(code="second_person_required", detail="审核人不能批准同一批次，须由另一人批准", status=403)
    if command.today > recommended.valid_until:
        return Rejection(code="validity_over", detail=f"推荐的有效期已于 {recommended.valid_until} 届满")
    refused = []
    for entry in recommended.entries:
        standing = command.standings[entry.entry_id]
        failed = [result for result in screen(standing.facts) if not result.passed]
        if standing.held_by is not None:
            failed.append(already_in_effect(standing.held_by))
        if failed:
            refused.append(Refusal(entry.entry_id, tuple(failed)))
    out = [refusal.entry_id for refusal in refused]
    approved = tuple(entry.entry_id for entry in recommended.entries if entry.entry_id not in out)
    if not approved:
        return Rejection(
            code="no_entry_passes",
            detail="批次中没有一条符合条件，不能批准；如不予批准，须由人签署",
            extensions={"refused": list(out)},
        )
    return [BatchApproved(recommended.batch_id, command.approver, approved, tuple(refused), command.today)]


BATCH: Aggregate[Batch] = Aggregate("wlb", EVENTS, Batch, evolve)

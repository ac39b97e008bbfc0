"""How batches and entries are shown, and how they are listed."""

from collections.abc import Mapping
from datetime import date

import msgspec

from services.loans.domain.batch import BATCH, Batch, BatchEntry
from services.loans.domain.entry import ENTRY, Entry
from services.loans.domain.screening import RULES, FactValue, RuleResult
from shared.eventstore.listing import Listed, Lister


class ShownRule(msgspec.Struct, frozen=True):
    rule: str
    clause: str
    text: str
    passed: bool
    facts: dict[str, FactValue]


class ShownBatchEntry(msgspec.Struct, frozen=True):
    id: str
    status: str
    person_id: str
    organisation_id: str
    consent_id: str
    certificate_no: str | None
    screening: tuple[ShownRule, ...]


class ShownBatch(msgspec.Struct, frozen=True):
    id: str
    status: str
    carrier_code: str
    district: str
    bank_codes: tuple[str, ...]
    valid_until: date
    recommended_on: date
    reasons: tuple[str, ...]
    entries: tuple[ShownBatchEntry, ...]


class ListedBatch(msgspec.Struct, frozen=True):
    """A batch in a list: how many of its entries were decided how."""

    id: str
    status: str
    carrier_code: str
    district: str
    bank_codes: tuple[str, ...]
    valid_until: date
    recommended_on: date
    entries: dict[str, int]


class ShownEntry(msgspec.Struct, frozen=True):
    """All that a bank may know of an entry: not the other banks, not the consent, the certificate or any reason."""

    id: str
    status: str
    batch_id: str
    carrier_code: str
    person_id: str
    organisation_id: str
    valid_from: date
    valid_until: date


def batch(id: str, state: Batch, entries: Mapping[str, str]) -> ShownBatch:
    """`entries`: what has become of approved entries, by id."""
    recommended = state.recommended
    if recommended is None:
        raise ValueError("an empty batch cannot be shown")
    return ShownBatch(
        id=id,
        status=state.status,
        carrier_code=recommended.carrier_code,
        district=recommended.district,
        bank_codes=recommended.bank_codes,
        valid_until=recommended.valid_until,
        recommended_on=recommended.recommended_on,
        reasons=state.reasons,
        entries=tuple(_batch_entry(entry, entries) for entry in state.entries),
    )


def _batch_entry(entry: BatchEntry, entries: Mapping[str, str]) -> ShownBatchEntry:
    recommendation = entry.recommendation
    return ShownBatchEntry(
        id=recommendation.entry_id,
        status=entries.get(recommendation.entry_id, entry.status),
        person_id=recommendation.person_id,
        organisation_id=recommendation.organisation_id,
        consent_id=recommendation.consent_id,
        certificate_no=recommendation.certificate_no,
        screening=tuple(_rule(result) for result in entry.screening),
    )


def _rule(result: RuleResult) -> ShownRule:
    return ShownRule(result.rule, result.clause, RULES[result.rule].text, result.passed, result.facts)


def entry(id: str, state: Entry, today: date | None = None) -> ShownEntry:
    """The entry as it is on `today`; without a day, as its last event left it."""
    terms = state.terms
    if terms is None:
        raise ValueError("an empty entry cannot be shown")
    return ShownEntry(
        id=id,
        status=state.status if today is None else state.status_on(today),
        batch_id=terms.batch_id,
        carrier_code=terms.carrier_code,
        person_id=terms.person_id,
        organisation_id=terms.organisation_id,
        valid_from=terms.valid_from,
        valid_until=terms.valid_until,
    )


def _listed_batch(id: str, state: Batch) -> Listed:
    shown = batch(id, state, {})
    counts: dict[str, int] = {}
    for each in shown.entries:
        counts[each.status] = counts.get(each.status, 0) + 1
    facets = [f"status:{shown.status}", f"carrier:{shown.carrier_code}", f"district:{shown.district}"]
    body = ListedBatch(
        shown.id,
        shown.status,
        shown.carrier_code,
        shown.district,
        shown.bank_codes,
        shown.valid_until,
        shown.recommended_on,
        counts,
    )
    return Listed(facets, body)


def _listed_entry(id: str, state: Entry) -> Listed:
    shown = entry(id, state)
    facets = [f"status:{shown.status}", f"carrier:{shown.carrier_code}", f"person:{shown.person_id}"]
    if state.terms is not None:
        facets += [f"district:{state.terms.district}", *(f"bank:{code}" for code in state.terms.bank_codes)]
    return Listed(facets, shown)


LISTERS = (
    Lister("whitelist_batch", BATCH, _listed_batch),
    Lister("whitelist_entry", ENTRY, _listed_entry),
)

"""Snapshot: a claim as a simulation judges it, folded from the few events that this takes."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec.structs import astuple, replace

from services.subsidy.domain.claim_events import (
    ClaimApproved,
    ClaimCorrected,
    ClaimPaid,
    ClaimRejected,
    ClaimRescreened,
    ClaimScreened,
    ClaimSubmitted,
    ClaimWithdrawn,
    EvidenceAttested,
    PayeeChecked,
    PaymentReturned,
)
from services.subsidy.domain.facts import Facts
from shared.eventstore.decider import Event, by_type

Standing = Literal["pending", "approved", "paid", "rejected", "withdrawn"]


class JudgedFacts(Facts, frozen=True, array_like=True, gc=False):
    """Facts as they are kept by the hundred thousand: without names, and the collector has nothing to look for."""


class Snapshot(msgspec.Struct, frozen=True):
    """A claim by what was known and decided.

    `facts` are those of the latest screening, with registry's answer about the payee and the reviewers' attestations
    since; None while no version has judged the claim. `policy_version` is the version that screened it, `amount` what
    was approved or paid (CNY, 0 for other standings), `month` that of the submission, as `2025-03` (Asia/Shanghai).
    `paid` stays what it is when the money is recovered later.
    """

    programme: str = ""
    district: str = ""
    month: str = ""
    standing: Standing = "pending"
    policy_version: str | None = None
    amount: Decimal = Decimal(0)
    payee_matches: bool | None = None
    facts: JudgedFacts | None = None


def _submitted(snapshot: Snapshot, event: ClaimSubmitted) -> Snapshot:
    return Snapshot(event.programme, event.review_district, event.submitted_on.isoformat()[:7])


def _screened(snapshot: Snapshot, event: ClaimScreened | ClaimRescreened) -> Snapshot:
    """Also a claim that is screened again, whose payee has been answered for meanwhile."""
    facts = replace(event.facts, payee_matches=snapshot.payee_matches, sources={})
    return replace(snapshot, policy_version=event.policy_version, facts=JudgedFacts(*astuple(facts)))


def _payee(snapshot: Snapshot, matches: bool | None) -> Snapshot:
    facts = None if snapshot.facts is None else replace(snapshot.facts, payee_matches=matches)
    return replace(snapshot, payee_matches=matches, facts=facts)


def _checked(snapshot: Snapshot, event: PayeeChecked) -> Snapshot:
    return _payee(snapshot, event.matches)


def _corrected(snapshot: Snapshot, event: ClaimCorrected) -> Snapshot:
    return _payee(snapshot, None)


def _attested(snapshot: Snapshot, event: EvidenceAttested) -> Snapshot:
    if snapshot.facts is None:
        return snapshot
    attested = {**snapshot.facts.attested, event.evidence: event.confirmed}
    return replace(snapshot, facts=replace(snapshot.facts, attested=attested))


def _approved(snapshot: Snapshot, event: ClaimApproved) -> Snapshot:
    return replace(snapshot, standing="approved", amount=event.amount)


def _paid(snapshot: Snapshot, event: ClaimPaid) -> Snapshot:
    return replace(snapshot, standing="paid", amount=event.amount)


def _returned(snapshot: Snapshot, event: PaymentReturned) -> Snapshot:
    """The money came back, from a claim that was not paid yet or one that was: it will be paid again."""
    return replace(snapshot, standing="approved")


def _rejected(snapshot: Snapshot, event: ClaimRejected) -> Snapshot:
    return replace(snapshot, standing="rejected", amount=Decimal(0))


def _withdrawn(snapshot: Snapshot, event: ClaimWithdrawn) -> Snapshot:
    return replace(snapshot, standing="withdrawn", amount=Decimal(0))


_STEPS: dict[type[Event], Callable[[Snapshot, Any], Snapshot]] = {
    ClaimSubmitted: _submitted,
    ClaimScreened: _screened,
    ClaimRescreened: _screened,
    PayeeChecked: _checked,
    ClaimCorrected: _corrected,
    EvidenceAttested: _attested,
    ClaimApproved: _approved,
    ClaimPaid: _paid,
    PaymentReturned: _returned,
    ClaimRejected: _rejected,
    ClaimWithdrawn: _withdrawn,
}
EVENTS: tuple[type[Event], ...] = tuple(_STEPS)
"""The events that change a snapshot."""

evolve: Callable[[Snapshot, Event], Snapshot] = by_type(_STEPS)

"""Entry: a founder and organisation on the whitelists of some banks, until its end.   (沪人社就〔2023〕162号 二(六))"""

from collections.abc import Iterable
from datetime import date
from typing import Final, Literal

import msgspec

from services.loans.domain.screening import Facts, screen
from shared.eventstore.decider import Aggregate, Decision, Event, LimitChange, Rejection, Release, Row, Take
from shared.values.ids import ConsentId, OrganisationId, PersonId, WhitelistBatchId, WhitelistEntryId

Status = Literal["in_effect", "suspended", "revoked", "expired"]
Cause = Literal[
    "recommender", "authority", "consent_withdrawn", "certificate_revoked", "organisation_deregistered", "person_died"
]
"""Who or what ended an entry: the carrier, a district or the city, or a fact on which the entry rested."""

# -- events: what happened; the names are the storage format -------------------------------------------------------


class EntryInEffect(Event, frozen=True, tag="loans.EntryInEffect.v1"):
    """From `valid_from` to `valid_until`, both inclusive, the named banks see this person and organisation.   (A-12)"""

    entry_id: WhitelistEntryId
    batch_id: WhitelistBatchId
    carrier_code: str
    district: str
    bank_codes: tuple[str, ...]
    person_id: PersonId
    organisation_id: OrganisationId
    consent_id: ConsentId
    valid_from: date
    valid_until: date
    certificate_no: str | None = None


class EntrySuspended(Event, frozen=True, tag="loans.EntrySuspended.v1"):
    """No bank sees the entry any more; it may still be revoked or expire. `by` is the person or carrier."""

    entry_id: WhitelistEntryId
    cause: Cause
    reason: str
    suspended_on: date
    by: str


class EntryRevoked(Event, frozen=True, tag="loans.EntryRevoked.v1"):
    """The entry is over. Where a fact was the cause nobody wrote a reason, and `by` is None."""

    entry_id: WhitelistEntryId
    cause: Cause
    reason: str
    revoked_on: date
    by: str | None = None


class EntryExpired(Event, frozen=True, tag="loans.EntryExpired.v1"):
    """Its last day has passed."""

    entry_id: WhitelistEntryId
    expired_on: date


EntryEvent = EntryInEffect | EntrySuspended | EntryRevoked | EntryExpired
EVENTS = (EntryInEffect, EntrySuspended, EntryRevoked, EntryExpired)


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Entry(msgspec.Struct, frozen=True):
    terms: EntryInEffect | None = None
    status: Status = "in_effect"
    cause: Cause | None = None

    @property
    def ended(self) -> bool:
        return self.status in ("revoked", "expired")

    def status_on(self, day: date) -> Status:
        """The status on an Asia/Shanghai day: an entry past its last day is expired, whether or not a timer woke."""
        over = self.terms is not None and day > self.terms.valid_until
        return "expired" if over and not self.ended else self.status


def evolve(entry: Entry, event: EntryEvent) -> Entry:
    match event:
        case EntryInEffect():
            return Entry(event)
        case EntrySuspended():
            return msgspec.structs.replace(entry, status="suspended", cause=event.cause)
        case EntryRevoked():
            return msgspec.structs.replace(entry, status="revoked", cause=event.cause)
        case EntryExpired():
            return msgspec.structs.replace(entry, status="expired")


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class PutInEffect(msgspec.Struct, frozen=True):
    terms: EntryInEffect


class SuspendEntry(msgspec.Struct, frozen=True):
    cause: Cause
    reason: str
    by: str
    today: date


class RevokeEntry(msgspec.Struct, frozen=True):
    cause: Cause
    reason: str
    by: str
    today: date


class RecheckEntry(msgspec.Struct, frozen=True):
    """Does the entry still rest on something? `facts` are those of now."""

    facts: Facts


class ExpireEntry(msgspec.Struct, frozen=True):
    today: date


EntryCommand = PutInEffect | SuspendEntry | RevokeEntry | RecheckEntry | ExpireEntry

_CAUSES: Final[dict[str, Cause]] = {
    "person": "person_died",
    "consent": "consent_withdrawn",
    "organisation": "organisation_deregistered",
    "certificate": "certificate_revoked",
}
"""Which failed rules end an entry by themselves: each says that what the entry rested on has been taken away."""


def decide(command: EntryCommand, entry: Entry) -> Decision:
    match command:
        case PutInEffect():
            return [command.terms] if entry.terms is None else []
        case _ if entry.terms is None:
            return Rejection(code="not_found", detail="没有找到这条白名单记录", status=404)
        case SuspendEntry():
            status = entry.status_on(command.today)
            if status == "suspended":
                return []
            if status != "in_effect":
                return _over(status, "暂停")
            return [EntrySuspended(entry.terms.entry_id, command.cause, command.reason, command.today, command.by)]
        case RevokeEntry():
            status = entry.status_on(command.today)
            if status == "revoked":
                return []
            if status == "expired":
                return _over(status, "撤销")
            return [EntryRevoked(entry.terms.entry_id, command.cause, command.reason, command.today, command.by)]
        case RecheckEntry():
            failed = [result.rule for result in screen(command.facts) if not result.passed]
            cause = next((_CAUSES[rule] for rule in failed if rule in _CAUSES), None)
            if cause is None or entry.status_on(command.facts.on) in ("revoked", "expired"):
                return []
            return [EntryRevoked(entry.terms.entry_id, cause, "", command.facts.on)]
        case ExpireEntry():
            over = not entry.ended and entry.status_on(command.today) == "expired"
            return [EntryExpired(entry.terms.entry_id, command.today)] if over else []


def _over(status: Status, act: str) -> Rejection:
    return Rejection(code="wrong_state", detail=f"这条白名单记录当前状态不能{act}", extensions={"entry_status": status})


# -- limits and rows: what the events hold, and what a bank's check reads ---------------------------------------------


def whitelist_of(bank_code: str) -> str:
    """The limit's scope: a bank sees a person and organisation under one entry at a time."""
    return f"whitelist/{bank_code}"


def pair(person_id: str, organisation_id: str) -> str:
    return f"{person_id}/{organisation_id}"


def limits(entry: Entry, event: EntryEvent) -> Iterable[LimitChange]:
    """Held from taking effect to revocation or expiry; a suspended entry still holds it."""
    match event:
        case EntryInEffect():
            key = pair(event.person_id, event.organisation_id)
            return [Take(whitelist_of(bank), key) for bank in event.bank_codes]
        case EntryRevoked() | EntryExpired() if entry.terms is not None:
            key = pair(entry.terms.person_id, entry.terms.organisation_id)
            return [Release(whitelist_of(bank), key) for bank in entry.terms.bank_codes]
        case _:
            return ()


WHITELIST: Final = "whitelist"
RESTING_ON: Final = "resting_on"


class WhitelistRow(msgspec.Struct, frozen=True):
    """What a check answers from: it is there exactly while the entry is in effect."""

    entry_id: WhitelistEntryId
    valid_until: date


class RestsOn(msgspec.Struct, frozen=True):
    """What an entry rests on; found by any of these when the world takes one of them away."""

    entry_id: WhitelistEntryId
    person_id: PersonId
    organisation_id: OrganisationId
    consent_id: ConsentId
    certificate_no: str | None = None


def whitelist_key(bank_code: str, person_id: str, organisation_id: str) -> str:
    return f"{bank_code}/{person_id}/{organisation_id}"


def rows(stream: str, entry: Entry, event: EntryEvent) -> Iterable[Row]:
    """The limit lets no two entries write the same `whitelist` row, so deleting one never hides another."""
    terms = entry.terms
    if terms is None:
        return
    listed = WhitelistRow(terms.entry_id, terms.valid_until) if entry.status == "in_effect" else None
    for bank in terms.bank_codes:
        yield Row(WHITELIST, whitelist_key(bank, terms.person_id, terms.organisation_id), listed)
    if isinstance(event, EntryInEffect) or entry.ended:
        rests = rests_on(terms)
        for ground in (terms.person_id, terms.organisation_id, terms.consent_id, terms.certificate_no):
            if ground is not None:
                yield Row(RESTING_ON, f"{terms.entry_id}/{ground}", None if entry.ended else rests)


def rests_on(terms: EntryInEffect) -> RestsOn:
    return RestsOn(terms.entry_id, terms.person_id, terms.organisation_id, terms.consent_id, terms.certificate_no)


ENTRY: Aggregate[Entry] = Aggregate("wle", EVENTS, Entry, evolve, limits, rows)

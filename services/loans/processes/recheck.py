"""Recheck: an entry ends when what it rests on is taken away: consent, certificate, organisation or the person's life.

Two ways lead here, and together they miss nothing. A foreign event asks for the entries that rest on what it names;
its fact was written before. An entry that has just taken effect is checked once more against the facts; so one that
was approved while such a fact was on its way is found by whichever of the two comes second.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from services.loans.domain.entry import ENTRY, EntryInEffect, RecheckEntry, RestsOn, decide, rests_on
from services.loans.intake.facts import (
    CertificateRevoked,
    ConsentWithdrawn,
    OrganisationDeregistered,
    PersonDied,
    PersonRestricted,
)
from services.loans.intake.judging import facts_needed, judged_by
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.process import Ask, Command, Process, Reaction
from shared.eventstore.record import Record
from shared.eventstore.store import Store
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date


def _ground(record: Record) -> str:
    """What a foreign event takes away: a person's, organisation's or consent's id, or a certificate's number."""
    match record.type:
        case "registry.ConsentWithdrawn.v1":
            return msgspec.json.decode(record.payload, type=ConsentWithdrawn).consent_id
        case "registry.PersonDied.v1":
            return msgspec.json.decode(record.payload, type=PersonDied).person_id
        case "registry.PersonRestricted.v1":
            return msgspec.json.decode(record.payload, type=PersonRestricted).person_id
        case "registry.OrganisationDeregistered.v1":
            return msgspec.json.decode(record.payload, type=OrganisationDeregistered).organisation_id
        case _:
            return msgspec.json.decode(record.payload, type=CertificateRevoked).number


def react(record: Record) -> Sequence[Reaction]:
    if record.type == "loans.EntryInEffect.v1":
        return [recheck([rests_on(msgspec.json.decode(record.payload, type=EntryInEffect))])]
    return [Ask(ask=_ask(_ground(record)))]


def _ask(ground: str) -> Callable[[Store], Awaitable[Command | None]]:
    async def ask(store: Store) -> Command | None:
        rows = await store.pool.fetch("select value from entries_resting_on($1)", ground)
        entries = [msgspec.json.decode(row["value"], type=RestsOn) for row in rows]
        return recheck(entries) if entries else None

    return ask


def recheck(entries: Sequence[RestsOn]) -> Command:
    """Revoke those of the entries that the facts no longer carry."""

    def handle(work: Work) -> Answer | Rejection:
        today = shanghai_date(work.now)
        for entry in entries:
            facts = judged_by(work, *_grounds(entry), today)
            if facts is None:
                continue
            decision = decide(RecheckEntry(facts), work.state(ENTRY, entry.entry_id))
            if isinstance(decision, Rejection):
                return decision
            work.append(ENTRY, entry.entry_id, decision)
        return Answer(204, b"")

    needs = Needs(
        streams=tuple(entry.entry_id for entry in entries),
        facts=tuple(fact for entry in entries for fact in facts_needed(*_grounds(entry))),
    )
    return Command(needs=needs, handler=handle)


def _grounds(entry: RestsOn) -> tuple[str, str, str, str | None]:
    return entry.person_id, entry.organisation_id, entry.consent_id, entry.certificate_no


TAKEN_AWAY = frozenset(
    {
        "registry.ConsentWithdrawn.v1",
        "registry.PersonDied.v1",
        "registry.PersonRestricted.v1",
        "registry.OrganisationDeregistered.v1",
        "training.CertificateRevoked.v1",
    }
)

RECHECK = Process(name="whitelist-recheck", on=TAKEN_AWAY | {"loans.EntryInEffect.v1"}, react=react)

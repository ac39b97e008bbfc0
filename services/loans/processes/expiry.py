"""Expiry: an entry is woken when its last day has passed."""

from collections.abc import Sequence

import msgspec

from services.loans.domain.entry import ENTRY, EntryInEffect, ExpireEntry, decide
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.process import Command, Process, Reaction, SetTimer
from shared.eventstore.record import Record
from shared.eventstore.work import Answer, Work
from shared.values.calendar import end_of_day, shanghai_date


def react(record: Record) -> Sequence[Reaction]:
    terms = msgspec.json.decode(record.payload, type=EntryInEffect)
    return [SetTimer(key=terms.entry_id, due_at=end_of_day(terms.valid_until), payload=b"")]


def wake(entry_id: str, _: bytes) -> Sequence[Command]:
    def handle(work: Work) -> Answer | Rejection:
        decision = decide(ExpireEntry(shanghai_date(work.now)), work.state(ENTRY, entry_id))
        if isinstance(decision, Rejection):
            return decision
        work.append(ENTRY, entry_id, decision)
        return Answer(204, b"")

    return [Command(needs=Needs(streams=(entry_id,)), handler=handle)]


EXPIRY = Process(name="whitelist-expiry", on=frozenset({"loans.EntryInEffect.v1"}), react=react, wake=wake)

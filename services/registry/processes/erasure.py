"""Erasure: when nothing has to be kept any more, registry's key goes, and what looked the person up by number.

(个人信息保护法 art. 47)
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from services.registry.domain.person import (
    PERSON,
    EndRetention,
    ErasureScheduled,
    PersonErased,
    PersonRegistered,
    decide,
)
from services.registry.identities import IdentityIndex
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.process import Ask, Command, Process, Reaction, SetTimer
from shared.eventstore.record import EventTypes, Record, tag_of
from shared.eventstore.store import Store
from shared.eventstore.work import Answer, Work
from shared.values.calendar import end_of_day, shanghai_date
from shared.values.identity_number import parse_identity_number
from shared.values.personal import REDACTED, Sealed
from shared.values.rejected import Invalid

OWN = EventTypes([PERSON])
DONE = Answer(204, b"")


class Outside(NamedTuple):
    store: Store
    identities: IdentityIndex


def _schedule(record: Record) -> Sequence[Reaction]:
    event = OWN.decode(record.type, record.payload)
    assert isinstance(event, ErasureScheduled)
    return (SetTimer(key=event.person_id, due_at=end_of_day(event.retained_until), payload=b""),)


def _end_retention(person_id: str, payload: bytes) -> Sequence[Command]:
    def handle(work: Work) -> Answer | Rejection:
        decision = decide(EndRetention(shanghai_date(work.now)), work.state(PERSON, person_id))
        if not isinstance(decision, Rejection):
            work.append(PERSON, person_id, decision)
        return DONE

    return (Command(needs=Needs(streams=(person_id,)), handler=handle),)


RETENTION = Process(name="retention", on=frozenset({tag_of(ErasureScheduled)}), react=_schedule, wake=_end_retention)


def _erase(record: Record) -> Sequence[Reaction]:
    event = OWN.decode(record.type, record.payload)
    assert isinstance(event, PersonErased)
    person_id = event.person_id
    return (Ask(ask=partial(_forget_number, person_id)), Ask(ask=partial(_destroy_key, person_id)))


async def _forget_number(person_id: str, outside: Outside) -> None:
    """No keyed hash is left, and the number can be registered anew: it is read once more to find its row."""
    registered = (await outside.store.look(Needs(streams=(person_id,)))).history(person_id)[0]
    assert isinstance(registered.event, PersonRegistered)
    sealed = registered.event.identity_number
    assert isinstance(sealed, Sealed)
    number = (await outside.store.disclose([(registered.id, sealed)]))[0]
    if number is REDACTED:
        return
    parsed = parse_identity_number(str(number), shanghai_date(await outside.store.now()))
    key = outside.identities.key(str(number) if isinstance(parsed, Invalid) else parsed.number)
    await outside.store.pool.execute(
        "delete from limit_unique where scope = $1 and key = $2 and holder = $3", IdentityIndex.SCOPE, key, person_id
    )


async def _destroy_key(person_id: str, outside: Outside) -> None:
    await outside.store.erase(person_id)


ERASURE = Process(name="erasure", on=frozenset({tag_of(PersonErased)}), react=_erase)

PROCESSES = (RETENTION, ERASURE)

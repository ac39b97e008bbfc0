"""A claim command with what every append has and nothing else: one event with one sealed field, a reservation, a key.

The event carries what `ClaimSubmitted` carries, the account as one sealed value. The reservation is the claim's: one
certificate, one person and project, one of three places. No rules are judged and no facts are loaded: what is measured
is the append and the load before it.
"""

from collections.abc import Iterable, Sequence
from uuid import uuid4

import msgspec

from shared.eventstore.decider import Aggregate, Event, LimitChange, Rejection, Take, TakePlace
from shared.eventstore.needs import IdempotencyKey, Needs
from shared.eventstore.record import Actor
from shared.eventstore.store import new_context
from shared.eventstore.work import Answer, Work, fingerprint
from shared.values.ids import new_id, uuid7
from shared.values.personal import Clear, Personal
from tests.bench.endpoints import Asked
from tests.bench.submissions import submissions

PLACES = 3
APP = Actor("app")


class Account(msgspec.Struct, frozen=True):
    kind: str
    holder: str
    number: str
    bank: str


class Body(msgspec.Struct, frozen=True):
    """What a client posts for a claim."""

    programme: str
    person_id: str
    organisation_id: str
    certificate_no: str
    payee_account: Account
    channel: str
    accepting_district: str


class Reserved(Event, frozen=True, tag="bench.Reserved.v1"):
    claim_id: str
    programme: str
    person_id: str
    organisation_id: str
    certificate_no: str
    project_id: str
    channel: str
    accepting_district: str
    submitted_on: str
    payee: Personal[Account]


class Reservation(msgspec.Struct, frozen=True):
    status: str = "new"


def evolve(reservation: Reservation, event: Event) -> Reservation:
    return Reservation("submitted")


def limits(before: Reservation, event: Reserved) -> Iterable[LimitChange]:
    return (
        Take("certificate", event.certificate_no),
        Take("person_project", f"{event.person_id}/{event.project_id}"),
        TakePlace("person", event.person_id, PLACES),
    )


RESERVATION: Aggregate[Reservation] = Aggregate("rsv", (Reserved,), Reservation, evolve, limits)


def reservations(count: int) -> Sequence[Asked]:
    """As many commands, each of another person and under a key of its own."""
    return [_asked(msgspec.json.decode(item.body, type=Body)) for item in submissions(count)]


def _asked(body: Body) -> Asked:
    stream, project = new_id("rsv", uuid7()), new_id("prj", uuid7())

    def handle(work: Work) -> Answer | Rejection:
        if len(work.holders("person", body.person_id, PLACES)) == PLACES:
            return Rejection(code="no_place", detail="已无名额")
        event = Reserved(
            stream, body.programme, body.person_id, body.organisation_id, body.certificate_no, project,
            body.channel, body.accepting_district, work.now.isoformat(), Clear(body.person_id, body.payee_account),
        )  # fmt: skip
        work.append(RESERVATION, stream, [event])
        return Answer(201, b'{"id":"%s","status":"submitted"}' % stream.encode(), stream, work.version(stream))

    places = tuple(("person", f"{body.person_id}/{place}") for place in range(1, PLACES + 1))
    needs = Needs(unique=(("certificate", body.certificate_no), *places), subjects=(body.person_id,))
    return Asked(needs, handle, new_context(APP), IdempotencyKey("app", str(uuid4()), fingerprint(stream.encode())))

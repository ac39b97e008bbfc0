"""A city's events, as rows of the stores of its services: who claims, what claims rest on, and what comes of them."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from services.notify.domain.message import MESSAGE, MessageSent
from services.registry.domain.organisation import ORGANISATION, OrganisationRegistered, RoleRecorded
from services.registry.domain.person import PERSON, PersonRegistered
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_events import ClaimEvent, ClaimSubmitted
from services.training.domain.certificate import CERTIFICATE, CertificateIssued
from shared.eventstore.decider import Event
from shared.eventstore.record import EventTypes, encode_payload
from shared.values.ids import ClassId, MessageId, PersonId, new_id, uuid7
from shared.values.personal import Clear
from shared.values.randomness import random_bytes
from shared.vault.keys import seal
from tests.bench.pasts import NOW, past, policy
from tests.bench.submissions import ISSUED_ON, SINCE

Row = tuple[Any, ...]
Streams = list[tuple[str, list[Event]]]
SERVICES = ("registry", "training", "subsidy", "notify")
TYPES = EventTypes([PERSON, ORGANISATION, CERTIFICATE, CLAIM, MESSAGE])
TOLD = ("claim_submitted", "claim_reviewed", "claim_approved", "claim_paid")
"""What people are told of a claim that goes well."""
AT_ONCE = 200
"""How many claims are under way at a time: their events stand between one another's."""


def city(claims: int) -> dict[str, list[Row]]:
    """Paid claims of as many people with an organisation and a certificate each: rows by service, as logs hold them."""
    key, version = random_bytes(16), policy()
    found: dict[str, list[Row]] = {service: [] for service in SERVICES}
    for begun in range(0, claims, AT_ONCE):
        streams: dict[str, Streams] = {service: [] for service in SERVICES}
        for _ in range(min(AT_ONCE, claims - begun)):
            for service, stream, events in _around(*past(version)):
                streams[service].append((stream, events))
        for service, some in streams.items():
            told = (row for stream, events in some for row in rows(stream, events, key))
            found[service] += sorted(told, key=lambda row: int(row[1]))  # by version
    return found


def _around(claim: str, events: list[ClaimEvent]) -> Iterator[tuple[str, str, list[Event]]]:
    """The streams of one claim: service, id, events."""
    submitted = events[0]
    assert isinstance(submitted, ClaimSubmitted)
    person, organisation = submitted.person_id, submitted.organisation_id
    certificate, number = submitted.certificate_id, submitted.certificate_no
    assert organisation is not None
    assert certificate is not None
    assert number is not None
    assert submitted.project_id is not None
    assert submitted.institution_id is not None
    area = submitted.review_district
    founded = OrganisationRegistered(organisation, "浦东新区某某小吃店", "92310115MA1H00000X", area, SINCE)
    role = RoleRecorded(organisation, person, "legal_representative", SINCE)
    issued = CertificateIssued(
        certificate, number, "qualification", person, submitted.project_id, "start_up",
        ClassId(new_id("cls", uuid7())), submitted.institution_id, "SH-INS-001", area, "SH-EVA-001", ISSUED_ON,
    )  # fmt: skip
    yield "registry", person, [registered(person)]
    yield "registry", organisation, [founded, role]
    yield "training", certificate, [issued]
    yield "subsidy", claim, list(events)
    for days, template in enumerate(TOLD):
        message = MessageId(new_id("msg", uuid7()))
        on = NOW.date() + timedelta(days)
        yield "notify", message, [MessageSent(message, person, template, "claim", claim, {"on": on.isoformat()}, on)]


def registered_persons(count: int) -> list[Row]:
    """As many people, of one event each: rows of registry's table `event`."""
    key = random_bytes(16)
    people = (PersonId(new_id("per", uuid7())) for _ in range(count))
    return [row for person in people for row in rows(person, [registered(person)], key)]


def registered(person: PersonId) -> PersonRegistered:
    return PersonRegistered(
        person, Clear(person, "欧阳𠮷光"), Clear(person, "310115199001011234"), "resident", Clear(person, "13800138000")
    )


def rows(stream: str, events: Iterable[Event], key: bytes) -> Iterator[Row]:
    """Rows in the order of `EVENT_COLUMNS`, personal fields sealed with `key`."""
    for version, event in enumerate(events, 1):
        id = uuid7()
        payload = encode_payload(event, lambda clear, field, id=id: seal(key, clear, id, field))  # type: ignore[misc]
        yield stream, version, id, TYPES.tag(event), NOW, NOW, "app", None, None, None, id, None, payload

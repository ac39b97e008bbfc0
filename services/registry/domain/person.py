"""Person: a natural person, known by a verified identity.   (沪人社规〔2023〕7号 三(二) 全实名)"""

from datetime import date

import msgspec

from shared.eventstore.decider import Aggregate, Decision, Event, Rejection
from shared.values.ids import ConsentId, PersonId
from shared.values.personal import Clear, Personal

# -- events: what happened; the names are the storage format -------------------------------------------------------


class PersonRegistered(Event, frozen=True, tag="registry.PersonRegistered.v1"):
    """A person was registered after real-name verification."""

    person_id: PersonId
    name: Personal[str]
    identity_number: Personal[str]
    identity_kind: str
    mobile: Personal[str]
    categories: tuple[str, ...] = ()


class ConsentGiven(Event, frozen=True, tag="registry.ConsentGiven.v1"):
    """The person consented, separately, to one purpose towards one kind of recipient.   (个人信息保护法 art. 23)"""

    person_id: PersonId
    consent_id: ConsentId
    purpose: str
    recipient: str
    given_on: date


class ConsentWithdrawn(Event, frozen=True, tag="registry.ConsentWithdrawn.v1"):
    """The person took a consent back; what rested on it must end."""

    person_id: PersonId
    consent_id: ConsentId
    purpose: str
    withdrawn_on: date


class PersonDied(Event, frozen=True, tag="registry.PersonDied.v1"):
    """The civil register reported the person's death."""

    person_id: PersonId
    died_on: date


PersonEvent = PersonRegistered | ConsentGiven | ConsentWithdrawn | PersonDied
EVENTS = (PersonRegistered, ConsentGiven, ConsentWithdrawn, PersonDied)


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Consent(msgspec.Struct, frozen=True):
    purpose: str
    recipient: str
    given_on: date
    withdrawn_on: date | None = None

    @property
    def status(self) -> str:
        return "withdrawn" if self.withdrawn_on else "given"


class Person(msgspec.Struct, frozen=True):
    """What is known of a person without opening anything; the sealed fields are kept as they were written."""

    id: PersonId | None = None
    name: Personal[str] | None = None
    identity_number: Personal[str] | None = None
    identity_kind: str = ""
    categories: tuple[str, ...] = ()
    consents: dict[ConsentId, Consent] = {}
    died_on: date | None = None

    @property
    def status(self) -> str:
        return "deceased" if self.died_on else "registered"

    def consented(self, purpose: str, recipient: str) -> ConsentId | None:
        """The consent that stands for a purpose towards a recipient."""
        for id, consent in self.consents.items():
            if (consent.purpose, consent.recipient) == (purpose, recipient) and consent.withdrawn_on is None:
                return id
        return None


def evolve(person: Person, event: PersonEvent) -> Person:
    match event:
        case PersonRegistered():
            return msgspec.structs.replace(
                person,
                id=event.person_id,
                name=event.name,
                identity_number=event.identity_number,
                identity_kind=event.identity_kind,
                categories=event.categories,
            )
        case ConsentGiven():
            consent = Consent(event.purpose, event.recipient, event.given_on)
            return msgspec.structs.replace(person, consents={**person.consents, event.consent_id: consent})
        case ConsentWithdrawn():
            before = person.consents[event.consent_id]
            after = msgspec.structs.replace(before, withdrawn_on=event.withdrawn_on)
            return msgspec.structs.replace(person, consents={**person.consents, event.consent_id: after})
        case PersonDied():
            return msgspec.structs.replace(person, died_on=event.died_on)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class RegisterPerson(msgspec.Struct, frozen=True):
    person_id: PersonId
    name: str
    identity_number: str
    identity_kind: str
    mobile: str
    categories: tuple[str, ...]


class GiveConsent(msgspec.Struct, frozen=True):
    consent_id: ConsentId
    purpose: str
    recipient: str
    today: date


class WithdrawConsent(msgspec.Struct, frozen=True):
    consent_id: ConsentId
    today: date


class ReportDeath(msgspec.Struct, frozen=True):
    died_on: date
    today: date


PersonCommand = RegisterPerson | GiveConsent | WithdrawConsent | ReportDeath

UNKNOWN = Rejection(code="not_found", detail="没有找到这个人员", status=404)


def decide(command: PersonCommand, person: Person) -> Decision:
    match command:
        case RegisterPerson():
            return [
                PersonRegistered(
                    person_id=command.person_id,
                    name=Clear(command.person_id, command.name),
                    identity_number=Clear(command.person_id, command.identity_number),
                    identity_kind=command.identity_kind,
                    mobile=Clear(command.person_id, command.mobile),
                    categories=command.categories,
                )
            ]
        case _ if person.id is None:
            return UNKNOWN
        case GiveConsent():
            if person.died_on is not None:
                return Rejection(code="person_deceased", detail="该人员已登记死亡，不能再作出授权")
            if person.consented(command.purpose, command.recipient) is not None:
                return []
            return [
                ConsentGiven(
                    person_id=person.id,
                    consent_id=command.consent_id,
                    purpose=command.purpose,
                    recipient=command.recipient,
                    given_on=command.today,
                )
            ]
        case WithdrawConsent():
            consent = person.consents.get(command.consent_id)
            if consent is None:
                return Rejection(code="not_found", detail="没有找到这项授权", status=404)
            if consent.withdrawn_on is not None:
                return []
            return [
                ConsentWithdrawn(
                    person_id=person.id,
                    consent_id=command.consent_id,
                    purpose=consent.purpose,
                    withdrawn_on=command.today,
                )
            ]
        case ReportDeath():
            if person.died_on is not None:
                return []
            if command.died_on > command.today:
                return Rejection(code="died_in_future", detail="死亡日期不能晚于今天", status=422)
            return [PersonDied(person_id=person.id, died_on=command.died_on)]


PERSON: Aggregate[Person] = Aggregate("per", EVENTS, Person, evolve)

"""Person: a natural person, known by a verified identity.   (沪人社规〔2023〕7号 三(二) 全实名)"""

from datetime import date
from typing import Literal

import msgspec

from shared.eventstore.decider import Aggregate, Decision, Event, Rejection
from shared.values.ids import ConsentId, PersonId
from shared.values.personal import Clear, Personal

Ground = Literal["consent_withdrawn", "purpose_achieved", "unlawful_processing", "requested_by_person"]
"""Why data is restricted and then erased.   (个人信息保护法 art. 47)"""

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


class PersonRestricted(Event, frozen=True, tag="registry.PersonRestricted.v1"):
    """The data is only stored and kept safe from now on, and used in proceedings.   (个人信息保护法 art. 47)"""

    person_id: PersonId
    ground: Ground
    restricted_by: str
    restricted_on: date


class RestrictionLifted(Event, frozen=True, tag="registry.RestrictionLifted.v1"):
    person_id: PersonId
    lifted_by: str
    lifted_on: date


class ErasureScheduled(Event, frozen=True, tag="registry.ErasureScheduled.v1"):
    """A record has to be kept until the end of `retained_until`; the day after, the person is erased."""

    person_id: PersonId
    decided_by: str
    retained_until: date


class PersonErased(Event, frozen=True, tag="registry.PersonErased.v1"):
    """Every service that holds a key of this person destroys it; nothing of the person can be read any more."""

    person_id: PersonId
    erased_on: date


PersonEvent = (
    PersonRegistered | ConsentGiven | ConsentWithdrawn | PersonDied | PersonRestricted | RestrictionLifted
    | ErasureScheduled | PersonErased
)  # fmt: skip
EVENTS = (
    PersonRegistered, ConsentGiven, ConsentWithdrawn, PersonDied, PersonRestricted, RestrictionLifted,
    ErasureScheduled, PersonErased,
)  # fmt: skip


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Consent(msgspec.Struct, frozen=True):
    purpose: str
    recipient: str
    given_on: date
    withdrawn_on: date | None = None

    @property
    def status(self) -> Literal["given", "withdrawn"]:
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
    restricted_by: str | None = None
    retained_until: date | None = None
    erased_on: date | None = None

    @property
    def status(self) -> str:
        if self.erased_on:
            return "erased"
        if self.restricted_by:
            return "restricted"
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
        case PersonRestricted():
            return msgspec.structs.replace(person, restricted_by=event.restricted_by)
        case RestrictionLifted():
            return msgspec.structs.replace(person, restricted_by=None)
        case ErasureScheduled():
            return msgspec.structs.replace(person, retained_until=event.retained_until)
        case PersonErased():
            return msgspec.structs.replace(person, erased_on=event.erased_on)


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


class RestrictPerson(msgspec.Struct, frozen=True):
    ground: Ground
    by: str
    today: date


class LiftRestriction(msgspec.Struct, frozen=True):
    by: str
    today: date


class ErasePerson(msgspec.Struct, frozen=True):
    """`open_matters` are not over; `retained_until` is the last day on which a record has to be kept, if any."""

    by: str
    today: date
    open_matters: tuple[str, ...]
    retained_until: date | None


class EndRetention(msgspec.Struct, frozen=True):
    today: date


PersonCommand = (
    RegisterPerson | GiveConsent | WithdrawConsent | ReportDeath | RestrictPerson | LiftRestriction | ErasePerson
    | EndRetention
)  # fmt: skip

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
        case _ if person.erased_on is not None:
            return Rejection(code="person_erased", detail="该人员的个人信息已删除")
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
        case RestrictPerson():
            if person.restricted_by is not None:
                return []
            return [PersonRestricted(person.id, command.ground, command.by, command.today)]
        case LiftRestriction():
            if person.retained_until is not None:
                return Rejection(code="erasure_decided", detail="已决定删除，不能解除限制")
            return [] if person.restricted_by is None else [RestrictionLifted(person.id, command.by, command.today)]
        case ErasePerson():
            return _erase(command, person, person.id)
        case EndRetention():
            over = person.retained_until is not None and command.today > person.retained_until
            return [PersonErased(person.id, command.today)] if over else []


def _erase(command: ErasePerson, person: Person, id: PersonId) -> Decision:
    """Erasure cannot be undone: one person restricts, another decides.   (个人信息保护法 art. 47)"""
    if person.restricted_by is None:
        return Rejection(code="not_restricted", detail="须先限制处理，再由另一人决定删除")
    if person.restricted_by == command.by:
        return Rejection(code="second_person_required", detail="限制处理的人不能决定删除，须由另一人决定", status=403)
    if command.open_matters:
        return Rejection(
            code="matters_open",
            detail="该人员尚有未办结的事项，不能删除",
            extensions={"open_matters": list(command.open_matters)},
        )
    if command.retained_until is not None and command.retained_until >= command.today:
        if person.retained_until is not None and person.retained_until >= command.retained_until:
            return []
        return [ErasureScheduled(id, command.by, command.retained_until)]
    return [PersonErased(id, command.today)]


PERSON: Aggregate[Person] = Aggregate("per", EVENTS, Person, evolve)

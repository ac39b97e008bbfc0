"""What training keeps of registry's events: institutions, their qualifications, and who is known by real name."""

from collections.abc import Iterable
from datetime import date

from shared.eventstore.needs import Fact
from shared.eventstore.record import Record
from shared.messaging.intake import Foreign, Listens, Note, keep
from shared.values.ids import InstitutionId, PersonId, ProjectId

# -- the events, as far as we read them ------------------------------------------------------------------------------


class InstitutionRegistered(Foreign, frozen=True):
    institution_id: InstitutionId
    code: str
    district: str


class QualificationGranted(Foreign, frozen=True):
    institution_id: InstitutionId
    project_id: ProjectId
    from_day: date
    until_day: date


class PersonRegistered(Foreign, frozen=True):
    person_id: PersonId
    identity_kind: str


# -- the facts that we keep ------------------------------------------------------------------------------------------


class InstitutionFact(Fact, frozen=True):
    """Under the institution's id."""

    code: str
    district: str


class QualificationFact(Fact, frozen=True):
    """Under `qualification_key`: the terms granted so far, both days of each included."""

    terms: tuple[tuple[date, date], ...]

    def covers(self, first: date, last: date) -> bool:
        return any(start <= first and last <= end for start, end in self.terms)


class PersonFact(Fact, frozen=True):
    """Under the person's id: registered after real-name verification with a document of this kind."""

    identity_kind: str


def qualification_key(institution_id: str, project_id: str) -> str:
    return f"{institution_id}/{project_id}"


# -- from one to the other -------------------------------------------------------------------------------------------


def _institution(record: Record, event: InstitutionRegistered) -> Iterable[Note]:
    return (keep(InstitutionFact(event.code, event.district), event.institution_id),)


def _qualification(record: Record, event: QualificationGranted) -> Iterable[Note]:
    term = (event.from_day, event.until_day)

    def add(known: QualificationFact | None) -> QualificationFact:
        terms = known.terms if known else ()
        return QualificationFact(terms if term in terms else (*terms, term))

    return (Note(QualificationFact, qualification_key(event.institution_id, event.project_id), add),)


def _person(record: Record, event: PersonRegistered) -> Iterable[Note]:
    return (keep(PersonFact(event.identity_kind), event.person_id),)


LISTENS = (
    Listens("registry.InstitutionRegistered.v1", InstitutionRegistered, _institution),
    Listens("registry.QualificationGranted.v1", QualificationGranted, _qualification),
    Listens("registry.PersonRegistered.v1", PersonRegistered, _person),
)

"""People: registered by real name, consenting for themselves."""

from datetime import date, timedelta

import pytest
from hypothesis import given as every
from hypothesis import strategies as st

from services.registry.domain.person import (
    PERSON,
    ConsentGiven,
    ConsentWithdrawn,
    EndRetention,
    ErasePerson,
    ErasureScheduled,
    GiveConsent,
    LiftRestriction,
    PersonCommand,
    PersonDied,
    PersonErased,
    PersonRegistered,
    PersonRestricted,
    RegisterPerson,
    ReportDeath,
    RestrictionLifted,
    RestrictPerson,
    WithdrawConsent,
    decide,
)
from shared.eventstore.decider import Event, Rejection
from shared.testing.spec import given
from shared.values.ids import ConsentId, PersonId
from shared.values.personal import Clear, Sealed

ID, FIRST, SECOND = PersonId("per_1"), ConsentId("con_1"), ConsentId("con_2")
TODAY = date(2025, 3, 3)
SEALED: Sealed[str] = Sealed(ID, "sm4-gcm", 1, b"")
REGISTERED = PersonRegistered(
    person_id=ID, name=SEALED, identity_number=SEALED, identity_kind="resident", mobile=SEALED
)
PURPOSE, RECIPIENT = "whitelist_recommendation", "banks"
GIVEN = ConsentGiven(person_id=ID, consent_id=FIRST, purpose=PURPOSE, recipient=RECIPIENT, given_on=TODAY)
WITHDRAWN = ConsentWithdrawn(person_id=ID, consent_id=FIRST, purpose=PURPOSE, withdrawn_on=TODAY)


@pytest.mark.clause("B-23")
def test_a_person_is_registered_with_personal_values_under_their_own_key() -> None:
    registration = RegisterPerson(ID, "欧阳𠮷", "310101199001011234", "resident", "13800000000", ("veteran",))
    decision = decide(registration, PERSON.initial())
    assert not isinstance(decision, Rejection)
    [event] = decision
    assert isinstance(event, PersonRegistered)
    assert (event.person_id, event.identity_kind, event.categories) == (ID, "resident", ("veteran",))
    for value in (event.name, event.identity_number, event.mobile):
        assert isinstance(value, Clear)
        assert value.subject == ID


@pytest.mark.parametrize("command", [GiveConsent(FIRST, PURPOSE, RECIPIENT, TODAY), ReportDeath(TODAY, TODAY)])
def test_nothing_happens_to_a_person_who_is_not_known(command: object) -> None:
    given(PERSON).when(decide, command).then_rejected("not_found", 404)


def test_a_consent_is_given_to_one_purpose_and_recipient() -> None:
    given(PERSON, REGISTERED).when(decide, GiveConsent(FIRST, PURPOSE, RECIPIENT, TODAY)).then(GIVEN)


def test_a_consent_that_stands_is_not_given_twice() -> None:
    given(PERSON, REGISTERED, GIVEN).when(decide, GiveConsent(SECOND, PURPOSE, RECIPIENT, TODAY)).then_nothing()


def test_a_consent_may_be_given_again_after_it_was_withdrawn() -> None:
    again = ConsentGiven(person_id=ID, consent_id=SECOND, purpose=PURPOSE, recipient=RECIPIENT, given_on=TODAY)
    command = GiveConsent(SECOND, PURPOSE, RECIPIENT, TODAY)
    given(PERSON, REGISTERED, GIVEN, WITHDRAWN).when(decide, command).then(again)


def test_a_consent_is_withdrawn_once_however_often_it_is_asked() -> None:
    given(PERSON, REGISTERED, GIVEN).when(decide, WithdrawConsent(FIRST, TODAY)).then(WITHDRAWN)
    given(PERSON, REGISTERED, GIVEN, WITHDRAWN).when(decide, WithdrawConsent(FIRST, TODAY)).then_nothing()


def test_a_consent_of_somebody_else_is_not_found() -> None:
    given(PERSON, REGISTERED, GIVEN).when(decide, WithdrawConsent(SECOND, TODAY)).then_rejected("not_found", 404)


def test_the_dead_consent_to_nothing_and_die_once() -> None:
    died = PersonDied(person_id=ID, died_on=TODAY)
    given(PERSON, REGISTERED).when(decide, ReportDeath(TODAY, TODAY)).then(died)
    given(PERSON, REGISTERED, died).when(decide, ReportDeath(TODAY, TODAY)).then_nothing()
    given(PERSON, REGISTERED, died).when(decide, GiveConsent(FIRST, PURPOSE, RECIPIENT, TODAY)).then_rejected(
        "person_deceased"
    )


def test_a_death_in_the_future_is_refused() -> None:
    command = ReportDeath(TODAY + timedelta(days=1), TODAY)
    given(PERSON, REGISTERED).when(decide, command).then_rejected("died_in_future", 422)


@every(st.lists(st.tuples(st.booleans(), st.integers(0, 3))))
def test_whatever_is_given_and_withdrawn_at_most_one_consent_stands(steps: list[tuple[bool, int]]) -> None:
    events: list[Event] = [REGISTERED]
    for number, (gives, which) in enumerate(steps):
        command = (
            GiveConsent(ConsentId(f"con_{number}"), PURPOSE, RECIPIENT, TODAY)
            if gives
            else WithdrawConsent(ConsentId(f"con_{which}"), TODAY)
        )
        decision = decide(command, PERSON.fold(events))
        events += [] if isinstance(decision, Rejection) else decision
    person = PERSON.fold(events)
    standing = [id for id, consent in person.consents.items() if consent.status == "given"]
    assert standing == ([] if (id := person.consented(PURPOSE, RECIPIENT)) is None else [id])


# -- restriction and erasure (个人信息保护法 art. 47) -----------------------------------------------------------------

RESTRICTED = PersonRestricted(ID, "requested_by_person", "usr_1", TODAY)
ERASED = PersonErased(ID, TODAY)
UNTIL = date(2055, 3, 3)
SCHEDULED = ErasureScheduled(ID, "usr_2", UNTIL)
RESTRICT = RestrictPerson("requested_by_person", "usr_1", TODAY)


def erase(by: str = "usr_2", open_matters: tuple[str, ...] = (), until: date | None = None) -> ErasePerson:
    return ErasePerson(by, TODAY, open_matters, until)


def test_a_person_is_restricted_once_and_may_be_released() -> None:
    given(PERSON, REGISTERED).when(decide, RESTRICT).then(RESTRICTED)
    given(PERSON, REGISTERED, RESTRICTED).when(decide, RESTRICT).then_nothing()
    lifted = RestrictionLifted(ID, "usr_2", TODAY)
    given(PERSON, REGISTERED, RESTRICTED).when(decide, LiftRestriction("usr_2", TODAY)).then(lifted)
    given(PERSON, REGISTERED).when(decide, LiftRestriction("usr_2", TODAY)).then_nothing()


def test_erasure_takes_two_people_and_nothing_that_is_under_way() -> None:
    given(PERSON, REGISTERED).when(decide, erase()).then_rejected("not_restricted")
    given(PERSON, REGISTERED, RESTRICTED).when(decide, erase(by="usr_1")).then_rejected("second_person_required", 403)
    given(PERSON, REGISTERED, RESTRICTED).when(decide, erase(open_matters=("clm_1",))).then_rejected("matters_open")
    given(PERSON, REGISTERED, RESTRICTED).when(decide, erase()).then(ERASED)


def test_a_record_that_must_be_kept_is_erased_when_the_duty_ends() -> None:
    given(PERSON, REGISTERED, RESTRICTED).when(decide, erase(until=UNTIL)).then(SCHEDULED)
    given(PERSON, REGISTERED, RESTRICTED, SCHEDULED).when(decide, erase(until=UNTIL)).then_nothing()
    given(PERSON, REGISTERED, RESTRICTED, SCHEDULED).when(decide, LiftRestriction("usr_2", TODAY)).then_rejected(
        "erasure_decided"
    )
    given(PERSON, REGISTERED, RESTRICTED, SCHEDULED).when(decide, EndRetention(UNTIL)).then_nothing()
    day_after = UNTIL + timedelta(1)
    given(PERSON, REGISTERED, RESTRICTED, SCHEDULED).when(decide, EndRetention(day_after)).then(
        PersonErased(ID, day_after)
    )


@pytest.mark.parametrize(
    "command",
    [RESTRICT, erase(), GiveConsent(FIRST, PURPOSE, RECIPIENT, TODAY), ReportDeath(TODAY, TODAY), EndRetention(UNTIL)],
)
def test_nothing_happens_to_an_erased_person(command: PersonCommand) -> None:
    given(PERSON, REGISTERED, RESTRICTED, ERASED).when(decide, command).then_rejected("person_erased")

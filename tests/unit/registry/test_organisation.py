"""Organisations: who holds which role in them, each with its evidence."""

from datetime import date, timedelta

import pytest

from services.registry.domain.organisation import (
    ORGANISATION,
    Deregister,
    OrganisationDeregistered,
    OrganisationRegistered,
    RecordRole,
    RegisterOrganisation,
    RoleRecorded,
    decide,
)
from services.registry.projections.lists import organisation as shown
from shared.eventstore.decider import Take
from shared.testing.spec import given
from shared.values.ids import OrganisationId, PersonId

ID, PERSON = OrganisationId("org_1"), PersonId("per_1")
TODAY, SINCE = date(2025, 3, 3), date(2024, 5, 31)
CODE = "91310101MA61344YXX"
REGISTERED = OrganisationRegistered(
    organisation_id=ID, name="上海睦涵数字科技有限公司", credit_code=CODE, area="310103", registered_on=SINCE
)
REPRESENTS = RoleRecorded(organisation_id=ID, person_id=PERSON, role="legal_representative", since=SINCE)
GONE = OrganisationDeregistered(organisation_id=ID, deregistered_on=TODAY)


def registration(registered_on: date = SINCE, holder: str | None = None) -> RegisterOrganisation:
    return RegisterOrganisation(ID, "上海睦涵数字科技有限公司", CODE, "310103", registered_on, TODAY, holder)


def role(
    kind: str = "legal_representative", since: date = SINCE, until: date | None = None, evidence: str | None = None
) -> RecordRole:
    return RecordRole(PERSON, kind, since, until, evidence, TODAY)  # type: ignore[arg-type]


@pytest.mark.clause("B-10")
def test_an_organisation_is_registered_with_the_day_of_its_business_registration() -> None:
    given(ORGANISATION).when(decide, registration()).then(REGISTERED)


def test_a_credit_code_belongs_to_one_organisation() -> None:
    refused = given(ORGANISATION).when(decide, registration(holder="org_0")).then_rejected("organisation_exists")
    assert refused.extensions == {"organisation_id": "org_0"}
    assert ORGANISATION.limits(ORGANISATION.initial(), REGISTERED) == (Take("organisation/credit-code", CODE),)


def test_a_registration_in_the_future_is_refused() -> None:
    given(ORGANISATION).when(decide, registration(TODAY + timedelta(days=1))).then_rejected("registered_in_future", 422)


@pytest.mark.clause("B-10")
def test_a_role_is_recorded_once() -> None:
    given(ORGANISATION, REGISTERED).when(decide, role()).then(REPRESENTS)
    given(ORGANISATION, REGISTERED, REPRESENTS).when(decide, role()).then_nothing()


@pytest.mark.clause("B-10")
def test_a_partner_needs_evidence_of_the_share() -> None:
    given(ORGANISATION, REGISTERED).when(decide, role("partner")).then_rejected("evidence_missing", 422)
    recorded = RoleRecorded(
        organisation_id=ID, person_id=PERSON, role="partner", since=SINCE, evidence="股东名册 2024-06"
    )
    given(ORGANISATION, REGISTERED).when(decide, role("partner", evidence="股东名册 2024-06")).then(recorded)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (role(since=TODAY + timedelta(days=1)), "role_in_future"),
        (role(until=SINCE - timedelta(days=1)), "role_period"),
    ],
)
def test_a_role_has_begun_and_does_not_end_before_it_began(command: RecordRole, code: str) -> None:
    given(ORGANISATION, REGISTERED).when(decide, command).then_rejected(code, 422)


def test_a_deregistered_organisation_takes_no_more_roles() -> None:
    given(ORGANISATION, REGISTERED, GONE).when(decide, role()).then_rejected("organisation_deregistered")


def test_an_organisation_is_deregistered_once() -> None:
    given(ORGANISATION, REGISTERED).when(decide, Deregister(TODAY, TODAY)).then(GONE)
    given(ORGANISATION, REGISTERED, GONE).when(decide, Deregister(TODAY, TODAY)).then_nothing()


@pytest.mark.parametrize(
    ("day", "code"),
    [
        (TODAY + timedelta(days=1), "deregistered_in_future"),
        (SINCE - timedelta(days=1), "deregistered_before_registered"),
    ],
)
def test_a_deregistration_lies_between_registration_and_today(day: date, code: str) -> None:
    given(ORGANISATION, REGISTERED).when(decide, Deregister(day, TODAY)).then_rejected(code, 422)


@pytest.mark.parametrize("command", [role(), Deregister(TODAY, TODAY)])
def test_nothing_happens_to_an_organisation_that_is_not_known(command: object) -> None:
    given(ORGANISATION).when(decide, command).then_rejected("not_found", 404)


def test_a_retired_area_is_shown_under_the_district_of_today() -> None:
    assert shown(ID, ORGANISATION.fold([REGISTERED])).district == "310101"

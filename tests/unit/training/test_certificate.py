"""Certificates: issued by who evaluated, for what was passed, and revocable."""

from datetime import date, timedelta
from typing import Any

import pytest

from services.training.domain.certificate import (
    CERTIFICATE,
    NUMBERS,
    TRAINEE,
    CertificateIssued,
    CertificateRevoked,
    IssueCertificate,
    Numbered,
    Passed,
    RevokeCertificate,
    decide,
)
from shared.eventstore.decider import Row, Take
from shared.testing.spec import given
from shared.values.ids import CertificateId, ClassId, InstitutionId, PersonId, ProjectId

ID, NUMBER, PERSON, PROJECT = CertificateId("crt_1"), "SH2025-D1-000001", PersonId("per_1"), ProjectId("prj_1")
CLASS, INSTITUTION = ClassId("cls_1"), InstitutionId("ins_1")
ENDS, EVALUATED, TODAY = date(2025, 3, 1), date(2025, 3, 2), date(2025, 3, 3)
DAY = timedelta(days=1)


def issue(**changes: Any) -> IssueCertificate:
    fields = {
        "certificate_id": ID,
        "number": NUMBER,
        "person_id": PERSON,
        "project_id": PROJECT,
        "stage": "start_up",
        "class_id": CLASS,
        "class_ends_on": ENDS,
        "institution_id": INSTITUTION,
        "institution_code": "demo-1",
        "district": "310101",
        "evaluator_code": "demo-1",
        "appointed": True,
        "passed": Passed("demo-1", EVALUATED),
        "issued_on": TODAY,
        "today": TODAY,
        "holder": None,
    }
    return IssueCertificate(**{**fields, **changes})


def issued(**changes: Any) -> CertificateIssued:
    fields = {
        "certificate_id": ID,
        "number": NUMBER,
        "kind": "qualification",
        "person_id": PERSON,
        "project_id": PROJECT,
        "stage": "start_up",
        "class_id": CLASS,
        "institution_id": INSTITUTION,
        "institution_code": "demo-1",
        "district": "310101",
        "evaluator_code": "demo-1",
        "issued_on": TODAY,
    }
    return CertificateIssued(**{**fields, **changes})


REVOKED = CertificateRevoked(certificate_id=ID, number=NUMBER, person_id=PERSON, reason="代训", revoked_on=TODAY)


@pytest.mark.clause("B-09")
def test_the_start_up_stage_ends_in_a_qualification_certificate() -> None:
    given(CERTIFICATE).when(decide, issue()).then(issued())


@pytest.mark.clause("B-07")
@pytest.mark.parametrize("stage", ["awareness", "preparation", "growth"])
def test_the_other_stages_end_in_a_completion_certificate(stage: str) -> None:
    given(CERTIFICATE).when(decide, issue(stage=stage)).then(issued(stage=stage, kind="completion"))


@pytest.mark.clause("B-09")
def test_who_has_not_passed_gets_none() -> None:
    given(CERTIFICATE).when(decide, issue(passed=None)).then_rejected("not_passed")


@pytest.mark.clause("B-30")
def test_who_evaluates_answers_for_it_and_issues() -> None:
    command = issue(passed=Passed("demo-2", EVALUATED))
    given(CERTIFICATE).when(decide, command).then_rejected("evaluated_by_another", 403)


@pytest.mark.clause("B-22")
def test_one_who_is_not_appointed_on_the_day_issues_none() -> None:
    given(CERTIFICATE).when(decide, issue(appointed=False)).then_rejected("not_appointed", 403)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"issued_on": TODAY + DAY}, "issued_in_future"),
        ({"issued_on": ENDS - DAY}, "issued_before_class_end"),
        ({"issued_on": EVALUATED - DAY}, "issued_before_evaluation"),
    ],
)
def test_a_certificate_is_issued_after_class_and_evaluation_and_not_in_the_future(
    changes: dict[str, date], code: str
) -> None:
    given(CERTIFICATE).when(decide, issue(**changes)).then_rejected(code, 422)


@pytest.mark.clause("B-32")
def test_a_trainee_has_one_certificate_of_a_class_also_after_it_was_revoked() -> None:
    refused = given(CERTIFICATE).when(decide, issue(holder="crt_0")).then_rejected("certificate_exists")
    assert refused.extensions == {"certificate_id": "crt_0"}
    assert CERTIFICATE.limits(CERTIFICATE.initial(), issued()) == (Take(TRAINEE, "cls_1/per_1"),)
    assert CERTIFICATE.limits(CERTIFICATE.fold([issued()]), REVOKED) == ()


@pytest.mark.clause("B-32")
@pytest.mark.parametrize("acts_for", [None, ("demo-1",)])
def test_the_city_and_the_issuer_revoke_with_a_reason(acts_for: tuple[str, ...] | None) -> None:
    given(CERTIFICATE, issued()).when(decide, RevokeCertificate("代训", TODAY, acts_for)).then(REVOKED)
    state = CERTIFICATE.fold([issued(), REVOKED])
    assert (CERTIFICATE.fold([issued()]).status, state.status) == ("valid", "revoked")
    assert state.revoked_because == "代训"


def test_another_evaluator_does_not() -> None:
    command = RevokeCertificate("代训", TODAY, ("demo-2",))
    given(CERTIFICATE, issued()).when(decide, command).then_rejected("not_your_certificate", 403)


def test_a_certificate_is_revoked_once_and_keeps_its_reason() -> None:
    given(CERTIFICATE, issued(), REVOKED).when(decide, RevokeCertificate("又一次", TODAY, None)).then_nothing()


def test_an_unknown_certificate_is_not_revoked() -> None:
    given(CERTIFICATE).when(decide, RevokeCertificate("代训", TODAY, None)).then_rejected("not_found", 404)


@pytest.mark.clause("B-32")
def test_a_number_leads_to_its_certificate_for_good() -> None:
    state = CERTIFICATE.fold([issued()])
    assert CERTIFICATE.rows(ID, state, issued()) == (Row(NUMBERS, NUMBER, Numbered(ID, PROJECT)),)
    assert CERTIFICATE.rows(ID, CERTIFICATE.fold([issued(), REVOKED]), REVOKED) == ()

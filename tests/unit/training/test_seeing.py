"""Lists and reads: institutions, evaluators and districts see what is their own."""

from datetime import date

import pytest

from services.training.api.fields import own, sees
from services.training.domain.certificate import CERTIFICATE
from services.training.domain.training_class import CLASS
from services.training.projections.lists import LISTERS, trainees
from services.training.wiring import DEFINITION
from shared.web.caller import Caller

from .test_certificate import REVOKED, issued
from .test_evaluator import APPOINTED
from .test_project import CREATED
from .test_training_class import ENROLLED, OPENED, evaluated

BY_KIND = {lister.kind: lister for lister in LISTERS}
KINDS = ("institution", "evaluator", "district")


def caller(*roles: str) -> Caller:
    return Caller("client", None, roles, 0.0)


@pytest.mark.parametrize(
    ("role", "facets"),
    [
        ("institution:demo-1", ["institution:demo-1"]),
        ("evaluator:demo-2", ["evaluator:demo-2"]),
        ("district:310115/reviewer", ["district:310115"]),
        ("city", []),
        ("auditor", []),
    ],
)
def test_a_list_is_kept_to_what_is_the_callers_own(role: str, facets: list[str]) -> None:
    assert own(caller(role), *KINDS) == facets


def test_one_who_sees_all_is_not_kept_by_another_role() -> None:
    assert own(caller("institution:demo-1", "city"), *KINDS) == []


def test_what_is_another_institutions_is_not_seen() -> None:
    assert sees(caller("institution:demo-1"), institution="demo-1", district="310101")
    assert sees(caller("district:310101/approver"), institution="demo-1", district="310101")
    assert not sees(caller("institution:demo-2"), institution="demo-1", district="310101")
    assert not sees(caller("district:demo-1/approver"), institution="demo-1", district="310101")


def test_a_class_is_found_by_its_institution_and_counts_its_trainees() -> None:
    state = CLASS.fold([OPENED, ENROLLED, evaluated()])
    facets, body = BY_KIND["class"].show("cls_1", state)
    assert {"institution:demo-1", "district:310101", "project_id:prj_1"} <= set(facets)
    assert (body.enrolled, body.passed) == (1, 1)  # type: ignore[attr-defined]
    assert [(trainee.person_id, trainee.passed) for trainee in trainees(state)] == [("per_1", True)]


def test_a_certificate_is_found_by_whose_it_is_and_whether_it_holds() -> None:
    facets, body = BY_KIND["certificate"].show("crt_1", CERTIFICATE.fold([issued(), REVOKED]))
    assert {"status:revoked", "institution:demo-1", "evaluator:demo-1", "district:310101"} <= set(facets)
    assert (body.status, body.revoked_on) == ("revoked", date(2025, 3, 3))  # type: ignore[attr-defined]


def test_evaluators_and_projects_are_found_by_code() -> None:
    for kind, event, facet in (("evaluator", APPOINTED, "code:demo-1"), ("project", CREATED, "code:demo-start-up-1")):
        lister = BY_KIND[kind]
        assert facet in lister.show("x_1", lister.aggregate.fold([event])).facets


def test_every_lister_lists_an_aggregate_of_the_service() -> None:
    listed = {lister.aggregate.prefix for lister in DEFINITION.listers}
    assert listed < {aggregate.prefix for aggregate in DEFINITION.aggregates}

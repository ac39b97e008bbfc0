"""Intake: what training keeps of registry's events, and how it asks for what is still on its way."""

from collections.abc import Callable
from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from fastapi import Request

from services.registry.domain.institution import InstitutionRegistered, QualificationGranted
from services.registry.domain.person import PersonRegistered
from services.training.intake import known as module
from services.training.intake.known import known
from services.training.intake.registry import (
    LISTENS,
    InstitutionFact,
    PersonFact,
    QualificationFact,
    qualification_key,
)
from shared.eventstore.decider import Event
from shared.eventstore.needs import Fact, Found, Needs
from shared.eventstore.record import encode_payload, tag_of
from shared.values.ids import InstitutionId, PersonId, ProjectId
from shared.values.personal import Sealed
from shared.web.peers import PeerUnavailable
from shared.web.problem import Problem

INSTITUTION, PROJECT, PERSON = InstitutionId("ins_1"), ProjectId("prj_1"), PersonId("per_1")
SPRING, AUTUMN = (date(2025, 1, 1), date(2025, 6, 30)), (date(2025, 7, 1), date(2025, 12, 31))
SEALED: Sealed[str] = Sealed(PERSON, "sm4-gcm", 1, b"")


def noted(*events: Event) -> dict[tuple[str, str], Fact]:
    """The facts after what registry wrote, read as it comes over the wire."""
    facts: dict[tuple[str, str], Fact] = {}
    for event in events:
        [listens] = [item for item in LISTENS if item.tag == tag_of(type(event))]
        foreign = msgspec.json.decode(encode_payload(event), type=listens.event)
        for note in cast(Any, listens.notes)(None, foreign):
            name = (note.kind.__name__, note.key)
            facts[name] = note.update(facts.get(name))
    return facts


def granted(term: tuple[date, date]) -> QualificationGranted:
    return QualificationGranted(institution_id=INSTITUTION, project_id=PROJECT, from_day=term[0], until_day=term[1])


def test_an_institution_and_a_person_are_kept_by_their_ids() -> None:
    institution = InstitutionRegistered(
        institution_id=INSTITUTION,
        code="demo-1",
        name="示范学校",
        kind="college",
        district="310101",
        registered_on=date(2025, 3, 3),
    )
    person = PersonRegistered(
        person_id=PERSON, name=SEALED, identity_number=SEALED, identity_kind="hmt_resident", mobile=SEALED
    )
    assert noted(institution, person) == {
        ("InstitutionFact", "ins_1"): InstitutionFact("demo-1", "310101"),
        ("PersonFact", "per_1"): PersonFact("hmt_resident"),
    }


@pytest.mark.clause("B-08")
def test_the_terms_of_a_qualification_add_up_and_a_repeated_one_changes_nothing() -> None:
    [fact] = noted(granted(SPRING), granted(AUTUMN), granted(SPRING)).values()
    assert fact == QualificationFact((SPRING, AUTUMN))
    assert qualification_key(INSTITUTION, PROJECT) == "ins_1/prj_1"


def test_a_class_lies_within_one_term() -> None:
    fact = QualificationFact((SPRING, AUTUMN))
    assert fact.covers(*SPRING)
    assert not fact.covers(SPRING[1], AUTUMN[0])


class Elsewhere:
    """A store that has a fact from the `arrives`-th look on, and an owner that answers `body`."""

    def __init__(self, arrives: float, body: object | Exception) -> None:
        self.arrives, self.body = arrives, body
        self.looks = self.asked = 0

    async def look(self, needs: Needs) -> SimpleNamespace:
        self.looks += 1
        fact = PersonFact("resident") if self.looks >= self.arrives else None
        return SimpleNamespace(fact=lambda kind, key: fact, found=Found())

    async def get(self, service: str, path: str) -> object:
        self.asked += 1
        assert (service, path) == ("registry", "/v1/persons/per_1")
        if isinstance(self.body, Exception):
            raise self.body
        return self.body

    async def known(self, told: Callable[[Any], bool] = lambda body: True) -> PersonFact | None:
        state = SimpleNamespace(store=self, peers=self)
        request = cast(Request, SimpleNamespace(app=SimpleNamespace(state=state)))
        return await known(request, PersonFact, PERSON, "registry", "/v1/persons/per_1", told=told)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    monkeypatch.setattr(module, "PAUSE", 0.001)


async def test_a_fact_at_hand_is_not_asked_for() -> None:
    elsewhere = Elsewhere(1, None)
    assert await elsewhere.known() == PersonFact("resident")
    assert elsewhere.asked == 0


async def test_what_the_owner_does_not_know_is_unknown() -> None:
    assert await Elsewhere(float("inf"), None).known() is None


async def test_what_the_owner_does_not_say_is_unknown() -> None:
    assert await Elsewhere(float("inf"), {"status": "registered"}).known(lambda body: False) is None


async def test_a_fact_on_its_way_is_waited_for() -> None:
    elsewhere = Elsewhere(4, {"id": PERSON})
    assert await elsewhere.known() == PersonFact("resident")
    assert elsewhere.asked == 1


@pytest.mark.parametrize(
    ("body", "code"), [({"id": PERSON}, "fact_pending"), (PeerUnavailable("registry"), "owner_unavailable")]
)
async def test_who_cannot_tell_says_so_and_never_unknown(body: object, code: str) -> None:
    with pytest.raises(Problem) as raised:
        await Elsewhere(float("inf"), body).known()
    assert (raised.value.status, raised.value.code) == (503, code)
    assert raised.value.headers == {"Retry-After": "1"}

"""Projects: of all four stages, each with who organises it."""

from typing import get_args

import pytest

from services.training.domain.project import CODE, PROJECT, CreateProject, ProjectCreated, Stage, decide
from shared.eventstore.decider import Take
from shared.testing import city
from shared.testing.spec import given
from shared.values.ids import ProjectId

ID = ProjectId("prj_1")
CREATED = ProjectCreated(
    project_id=ID, code="demo-start-up-1", name="改善你的企业·市场营销", stage="start_up", organiser="310115"
)


@pytest.mark.clause("B-02")
def test_all_four_stages_are_known() -> None:
    assert set(get_args(Stage)) == {stage.value for stage in city.Stage}


@pytest.mark.clause("B-06")
def test_a_project_has_a_stage_and_an_organiser() -> None:
    command = CreateProject(ID, "demo-start-up-1", CREATED.name, "start_up", "310115", None)
    given(PROJECT).when(decide, command).then(CREATED)


def test_a_code_belongs_to_one_project() -> None:
    command = CreateProject(ID, "demo-start-up-1", CREATED.name, "start_up", "city", "prj_0")
    refused = given(PROJECT).when(decide, command).then_rejected("project_exists")
    assert refused.extensions == {"project_id": "prj_0"}
    assert PROJECT.limits(PROJECT.initial(), CREATED) == (Take(CODE, "demo-start-up-1"),)

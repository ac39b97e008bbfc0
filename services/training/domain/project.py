"""Project: what is trained, for one of the four stages of starting a business.   (沪人社规〔2023〕7号 一, 二(一))"""

from typing import Literal

import msgspec

from shared.eventstore.decider import Aggregate, Decision, Event, LimitChange, Rejection, Take
from shared.values.ids import ProjectId

Stage = Literal["awareness", "preparation", "start_up", "growth"]

# -- events: what happened; the names are the storage format -------------------------------------------------------


class ProjectCreated(Event, frozen=True, tag="training.ProjectCreated.v1"):
    """A training project was set up; `organiser` is `city` for the city centre or a district's GB/T 2260 code."""

    project_id: ProjectId
    code: str
    name: str
    stage: Stage
    organiser: str


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Project(msgspec.Struct, frozen=True):
    id: ProjectId | None = None
    code: str = ""
    name: str = ""
    stage: Stage = "awareness"
    organiser: str = ""


def evolve(project: Project, event: ProjectCreated) -> Project:
    return Project(event.project_id, event.code, event.name, event.stage, event.organiser)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class CreateProject(msgspec.Struct, frozen=True):
    project_id: ProjectId
    code: str
    name: str
    stage: Stage
    organiser: str
    code_holder: str | None


def decide(command: CreateProject, project: Project) -> Decision:
    if command.code_holder is not None:
        return Rejection(
            code="project_exists", detail="这个培训项目代码已登记", extensions={"project_id": command.code_holder}
        )
    return [
        ProjectCreated(
            project_id=command.project_id,
            code=command.code,
            name=command.name,
            stage=command.stage,
            organiser=command.organiser,
        )
    ]


CODE = "project/code"


def limits(project: Project, event: ProjectCreated) -> tuple[LimitChange, ...]:
    """One project per code."""
    return (Take(CODE, event.code),)


PROJECT: Aggregate[Project] = Aggregate("prj", (ProjectCreated,), Project, evolve, limits)

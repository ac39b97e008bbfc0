"""`/v1/projects`: what is trained, by stage."""

from fastapi import Request
from fastapi.responses import Response

from services.training.api.fields import Filter, Organiser, ProjectPath, facets
from services.training.domain.project import CODE, PROJECT, CreateProject, Stage, decide
from services.training.projections.lists import ProjectShown
from services.training.projections.lists import project as shown
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.ids import ProjectId, new_id, uuid7
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import allow
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import Code, Name
from shared.web.lists import page
from shared.web.problem import of_rejection
from shared.web.routes import Body, router

api = router("培训项目")

READERS = ("app", "institution:*", "evaluator:*", "district:*/*", "city", "policy", "auditor", "ops", "service:*")


class NewProject(Body):
    code: Code
    name: Name
    stage: Stage
    organiser: Organiser = "city"


@api.post("/projects", status_code=201, summary="设立培训项目")
@allow("city")
@carries_out(ProjectShown)
async def create(request: Request, body: NewProject) -> Response:
    project_id = ProjectId(new_id(PROJECT.prefix, uuid7()))

    def handle(work: Work) -> Answer | Rejection:
        creation = CreateProject(
            project_id, body.code, body.name, body.stage, body.organiser, work.holder(CODE, body.code)
        )
        decision = decide(creation, work.state(PROJECT, project_id))
        if isinstance(decision, Rejection):
            return decision
        return answer(work, project_id, shown(project_id, work.append(PROJECT, project_id, decision)), 201)

    return await command(request, Needs(unique=((CODE, body.code),)), handle, location="/v1/projects/{id}")


@api.get("/projects", summary="培训项目列表")
@allow(*READERS)
@lists(ProjectShown)
async def listed(request: Request, stage: Filter = None, organiser: Filter = None, code: Filter = None) -> Response:
    return await page(request, "project", facets(stage=stage, organiser=organiser, code=code))


@api.get("/projects/{project_id}", summary="培训项目")
@allow(*READERS)
@shows(ProjectShown)
async def read(request: Request, project_id: ProjectPath) -> Response:
    work = await store_of(request).look(Needs(streams=(project_id,)))
    if not work.exists(project_id):
        raise of_rejection(unknown("培训项目"))
    found = answer(work, project_id, shown(project_id, work.state(PROJECT, project_id)))
    return current(request, found)

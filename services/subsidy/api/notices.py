"""`/v1/notices`: what the public is shown, and for how long.   (B-18)"""

from typing import Annotated

import msgspec
from fastapi import Request
from fastapi.responses import Response
from msgspec.structs import replace
from pydantic import Field

from services.subsidy.api.claims import parameters_of
from services.subsidy.api.notice_view import ShownNotice, shown
from services.subsidy.api.submission import Programme
from services.subsidy.domain.claim import CLAIM, Claim
from services.subsidy.domain.claim_decisions import NoticeClaim
from services.subsidy.domain.claim_decisions import decide as decide_claim
from services.subsidy.domain.notice import (
    MOST_ENTRIES,
    NOTICE,
    DraftNotice,
    Entry,
    ExtendNotice,
    Notice,
    NoticeStatus,
    PublishNotice,
    decide,
)
from services.subsidy.domain.policy_version import PolicyVersion
from services.subsidy.intake.judging import active_versions
from shared.eventstore.decider import Rejection
from shared.eventstore.listing import read_page
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.districts import District as DistrictCode
from shared.values.ids import ClaimId, NoticeId, PersonId, new_id, uuid7
from shared.values.names import masked_name
from shared.values.personal import Clear
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import Caller, allow, caller_of
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import ClaimRef, District
from shared.web.lists import page
from shared.web.peers import PeerUnavailable
from shared.web.problem import Problem, invalid_field, of_rejection
from shared.web.routes import Body, router
from shared.web.step_up import steps_up

api = router("公示")

STAFF = "district:*/*"


class NewNotice(Body):
    """Without `claims`: every approved claim of the programme and district that is on no hold.

    `district`: which, for staff of several.
    """

    programme: Programme = "training-fee-subsidy"
    district: District | None = None
    claims: Annotated[tuple[ClaimRef, ...] | None, Field(min_length=1, max_length=MOST_ENTRIES)] = None


class Extension(Body):
    """Working days, counted from the last day as it stands."""

    working_days: Annotated[int, Field(ge=1, le=60, strict=True)]


def own_districts(caller: Caller) -> frozenset[str]:
    """The districts that a member of staff acts for; a 403 where there are none."""
    districts = frozenset(caller.named("district"))
    if not districts:
        raise Problem(403, "not_your_district", "公示由区级经办人员编制和发布")
    return districts


def _district_meant(caller: Caller, wanted: str | None) -> str:
    districts = own_districts(caller)
    if wanted is None and len(districts) > 1:
        raise invalid_field("/district", "required", "经办多个区的，须指明为哪个区编制")
    if wanted is not None and wanted not in districts:
        raise Problem(403, "not_your_district", "只能编制本区的公示名单")
    return wanted or min(districts)


@api.post(
    "/notices",
    status_code=201,
    summary="编制公示名单",
    description="不给 `claims` 时，取本区全部已批准且未暂缓的申请。",
)
@allow(STAFF)
@carries_out(ShownNotice)
async def draft(request: Request, body: NewNotice) -> Response:
    caller = caller_of(request)
    district, person = _district_meant(caller, body.district), caller.person
    found = body.claims if body.claims is not None else await _ready(request, district, body.programme)
    claims = tuple(dict.fromkeys(found))
    if not claims:
        raise Problem(409, "nothing_to_notice", "本区没有可公示的申请")
    people = await _people(request, claims, district)
    names = await _disclosed(request, people)
    notice_id = NoticeId(new_id("ntc", uuid7()))

    def handle(work: Work) -> Answer | Rejection:
        entries = []
        policy = active_versions(work, body.programme).latest
        for claim_id in claims:
            claim = work.state(CLAIM, claim_id)
            programme = claim.submission.programme if claim.submission is not None else None
            if programme != body.programme or claim.amount is None or not _showable(claim):
                return Rejection(
                    code="claim_not_ready", detail="名单中有不能公示的申请", extensions={"claim_id": claim_id}
                )
            person_id = people[claim_id]
            name, number = names[person_id]
            shown_name = masked_name(name) if policy is not None and policy.parameters.names_masked else name
            entries.append(
                Entry(
                    ClaimId(claim_id), person_id, Clear(person_id, shown_name), Clear(person_id, number), claim.amount
                )
            )
        title = f"{DistrictCode(district).zh}{_title(policy)}拟发放名单"
        decision = decide(DraftNotice(notice_id, district, body.programme, title, tuple(entries), person), Notice())
        if isinstance(decision, Rejection):
            return decision
        return answer(work, notice_id, shown(notice_id, work.append(NOTICE, notice_id, decision)), 201)

    needs = Needs(streams=claims, subjects=tuple(people.values()), rows=(("policy", body.programme),))
    return await command(request, needs, handle, location="/v1/notices/{id}")


def _title(policy: PolicyVersion | None) -> str:
    return "补贴" if policy is None else policy.title


def _showable(claim: Claim) -> bool:
    return claim.status == "approved" and not claim.holds


async def _ready(request: Request, district: str, programme: str) -> tuple[str, ...]:
    facets = ["ready:notice", f"district:{district}", f"programme:{programme}"]
    found = await read_page(store_of(request).pool, "claim", facets, None, MOST_ENTRIES)
    return tuple(msgspec.json.decode(item)["id"] for item in found.items)


async def _people(request: Request, claims: tuple[str, ...], district: str) -> dict[str, PersonId]:
    work = await store_of(request).look(Needs(streams=claims))
    people: dict[str, PersonId] = {}
    for claim_id in claims:
        submission = work.state(CLAIM, claim_id).submission
        if submission is None:
            raise of_rejection(unknown("申请", "/claims"))
        if submission.review_district != district:
            raise Problem(403, "not_your_district", "名单中有其他区审核的申请")
        people[claim_id] = submission.person_id
    return people


async def _disclosed(request: Request, people: dict[str, PersonId]) -> dict[str, tuple[str, str]]:
    """Names and masked numbers from registry, for the purpose of this notice, on record there."""
    body = {"person_ids": sorted(set(people.values())), "purpose": "public_notice"}
    try:
        found = await request.app.state.peers.post("registry", "/v1/persons:disclose", body)
    except PeerUnavailable:
        found = None
    if found is None:
        raise Problem(503, "registry_unavailable", "登记服务暂时不可用，请稍后重试", headers={"Retry-After": "2"})
    return {item["person_id"]: (item["name"], item["masked_identity_number"]) for item in found["items"]}


@api.post(
    "/notices/{notice_id}:publish",
    summary="发布公示",
    description="公示期按政策规定的工作日计算；期满且无待处理异议的申请转为待发放。",
)
@allow(STAFF)
@carries_out(ShownNotice)
@steps_up
async def publish(request: Request, notice_id: str) -> Response:
    caller = caller_of(request)
    districts, person = own_districts(caller), caller.person

    def handle(work: Work) -> Answer | Rejection:
        notice, today = work.state(NOTICE, notice_id), shanghai_date(work.now)
        if notice.id is not None and notice.district not in districts:
            return NOT_YOURS
        work.require(*(entry.claim_id for entry in notice.entries))
        claims = {entry.claim_id: work.state(CLAIM, entry.claim_id) for entry in notice.entries}
        left_out = tuple(claim_id for claim_id, claim in claims.items() if not _showable(claim))
        days = max((parameters_of(work, claim).notice_working_days for claim in claims.values()), default=1)
        decision = decide(PublishNotice(person, today, days, left_out), notice)
        if isinstance(decision, Rejection):
            return decision
        published = work.append(NOTICE, notice_id, decision)
        assert published.last_day is not None
        for entry in published.entries:
            noticed = decide_claim(NoticeClaim(NoticeId(notice_id), published.last_day), claims[entry.claim_id])
            if isinstance(noticed, Rejection):
                return replace(noticed, extensions={**noticed.extensions, "claim_id": entry.claim_id})
            work.append(CLAIM, entry.claim_id, noticed)
        return answer(work, notice_id, shown(notice_id, published))

    return await command(request, Needs(streams=(notice_id,)), handle)


NOT_YOURS = Rejection(code="not_your_district", detail="这份公示属于其他区", status=403)


@api.post(
    "/notices/{notice_id}:extend",
    summary="延长公示期",
    description="公示期只能延长，不能缩短；自原定最后一日起按工作日计算。",
)
@allow(STAFF)
@carries_out(ShownNotice)
@steps_up
async def extend(request: Request, notice_id: str, body: Extension) -> Response:
    caller = caller_of(request)
    districts, person = own_districts(caller), caller.person

    def handle(work: Work) -> Answer | Rejection:
        notice = work.state(NOTICE, notice_id)
        if notice.id is not None and notice.district not in districts:
            return NOT_YOURS
        decision = decide(ExtendNotice(person, shanghai_date(work.now), body.working_days), notice)
        if isinstance(decision, Rejection):
            return decision
        return answer(work, notice_id, shown(notice_id, work.append(NOTICE, notice_id, decision)))

    return await command(request, Needs(streams=(notice_id,)), handle)


@api.get("/notices/{notice_id}", summary="公示（不含姓名）")
@allow(STAFF, "city", "finance/*", "auditor", "app")
@shows(ShownNotice)
async def read(request: Request, notice_id: str) -> Response:
    work = await store_of(request).look(Needs(streams=(notice_id,)))
    notice = work.state(NOTICE, notice_id) if notice_id.startswith("ntc_") else Notice()
    if notice.id is None or not _may_see(caller_of(request), notice):
        raise of_rejection(unknown("公示"))
    found = answer(work, notice_id, shown(notice_id, notice))
    return current(request, found)


def _may_see(caller: Caller, notice: Notice) -> bool:
    """A draft is its own district's, and of those who watch over all; what was published everybody may see."""
    return notice.status != "draft" or _watches(caller) or notice.district in caller.named("district")


def _watches(caller: Caller) -> bool:
    return any(map(caller.holds, ("city", "finance/maker", "finance/releaser", "auditor")))


@api.get("/notices", summary="公示列表")
@allow(STAFF, "city", "finance/*", "auditor", "app")
@lists(ShownNotice)
async def all_notices(
    request: Request, status: NoticeStatus | None = None, district: District | None = None
) -> Response:
    caller = caller_of(request)
    own = caller.named("district")
    if own and not _watches(caller):
        district = district or own[0]
    facets = [f"{name}:{value}" for name, value in (("status", status), ("district", district)) if value]
    if not _watches(caller) and district not in own:
        facets.append("shown:published")
    return await page(request, "notice", facets)

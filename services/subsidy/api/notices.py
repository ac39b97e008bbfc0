"""`/v1/notices` and `/v1/objections`: what the public is shown, and what it says.   (B-18)"""

from typing import Annotated

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from services.subsidy.api.claims import PROGRAMME
from services.subsidy.api.notice_view import ObjectionTaken, ShownNotice, shown
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_decisions import HoldClaim, LiftHold, NoticeClaim, RejectClaim
from services.subsidy.domain.claim_decisions import decide as decide_claim
from services.subsidy.domain.notice import (
    MOST_ENTRIES,
    NOTICE,
    DecideObjection,
    DraftNotice,
    Entry,
    Notice,
    ObjectionPlace,
    PublishNotice,
    RaiseObjection,
    decide,
)
from services.subsidy.domain.policy import Parameters
from services.subsidy.intake.judging import active_versions
from shared.eventstore.decider import Decision, Rejection
from shared.eventstore.listing import read_page
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.districts import District as DistrictCode
from shared.values.ids import ClaimId, NoticeId, PersonId, new_id, uuid7
from shared.values.personal import Clear
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import Caller, allow, caller_of
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import ClaimRef, Text
from shared.web.lists import page
from shared.web.peers import PeerUnavailable
from shared.web.problem import Problem, invalid_field, of_rejection
from shared.web.routes import Body, router
from shared.web.step_up import steps_up

api = router("公示")

STAFF = "district:*/*"


class NewNotice(Body):
    """Without `claims`: every approved claim of the district that is on no hold."""

    claims: Annotated[tuple[ClaimRef, ...] | None, Field(min_length=1, max_length=MOST_ENTRIES)] = None


class NewObjection(Body):
    claim_id: ClaimRef
    grounds: Text


class ObjectionDecision(Body):
    upheld: Annotated[bool, Field(strict=True)]
    reasons: Text


def _own_district(caller: Caller) -> str:
    districts = caller.named("district")
    if not districts:
        raise Problem(403, "not_your_district", "公示由区级经办人员编制和发布")
    return districts[0]


def _parameters(work: Work) -> Parameters | None:
    versions = active_versions(work, PROGRAMME).versions
    return versions[-1].parameters if versions else None


POLICY_NEED = (("policy", PROGRAMME),)
POLICY_MISSING = Rejection(code="policy_missing", detail="尚无生效的政策版本")


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
    district, person = _own_district(caller), caller.person
    claims = tuple(dict.fromkeys(body.claims)) if body.claims is not None else await _ready(request, district)
    if not claims:
        raise Problem(409, "nothing_to_notice", "本区没有可公示的申请")
    people = await _people(request, claims, district)
    names = await _disclosed(request, people)
    notice_id = NoticeId(new_id("ntc", uuid7()))

    def handle(work: Work) -> Answer | Rejection:
        entries = []
        for claim_id in claims:
            claim = work.state(CLAIM, claim_id)
            if claim.submission is None or claim.amount is None or claim.status != "approved" or claim.holds:
                return Rejection(
                    code="claim_not_ready", detail="名单中有不能公示的申请", extensions={"claim_id": claim_id}
                )
            person_id = claim.submission.person_id
            name, number = names[person_id]
            entries.append(
                Entry(ClaimId(claim_id), person_id, Clear(person_id, name), Clear(person_id, number), claim.amount)
            )
        title = f"{DistrictCode(district).zh}初创期培训费补贴拟发放名单"
        decision = decide(DraftNotice(notice_id, district, title, tuple(entries), person), Notice())
        if isinstance(decision, Rejection):
            return decision
        return answer(work, notice_id, shown(notice_id, work.append(NOTICE, notice_id, decision)), 201)

    needs = Needs(streams=tuple(claims), subjects=tuple(people.values()))
    return await command(request, needs, handle, location="/v1/notices/{id}")


async def _ready(request: Request, district: str) -> tuple[str, ...]:
    found = await read_page(
        store_of(request).pool, "claim", ["ready:notice", f"district:{district}"], None, MOST_ENTRIES
    )
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
    district, person = _own_district(caller), caller.person

    def handle(work: Work) -> Answer | Rejection:
        notice, parameters = work.state(NOTICE, notice_id), _parameters(work)
        if parameters is None:
            return POLICY_MISSING
        if notice.id is not None and notice.district != district:
            return Rejection(code="not_your_district", detail="只能发布本区的公示", status=403)
        decision = decide(PublishNotice(person, shanghai_date(work.now), parameters.notice_working_days), notice)
        if isinstance(decision, Rejection):
            return decision
        work.require(*(entry.claim_id for entry in notice.entries))
        published = work.append(NOTICE, notice_id, decision)
        for entry in notice.entries:
            assert published.last_day is not None
            noticed = decide_claim(
                NoticeClaim(NoticeId(notice_id), published.last_day), work.state(CLAIM, entry.claim_id)
            )
            if isinstance(noticed, Rejection):
                return msgspec.structs.replace(noticed, extensions={**noticed.extensions, "claim_id": entry.claim_id})
            work.append(CLAIM, entry.claim_id, noticed)
        return answer(work, notice_id, shown(notice_id, published))

    return await command(request, Needs(streams=(notice_id,), rows=POLICY_NEED), handle)


@api.post(
    "/notices/{notice_id}/objections",
    status_code=201,
    summary="提出异议",
    description="在公示期内对名单中一人提出；其申请暂缓，他人不受影响。`settle_by` 为处理期限。",
    operation_id="raiseObjection",
)
@allow("app", STAFF)
@carries_out(ObjectionTaken)
async def object_to(request: Request, notice_id: str, body: NewObjection) -> Response:
    objection_id = new_id("obj", uuid7())

    def handle(work: Work) -> Answer | Rejection:
        notice, parameters = work.state(NOTICE, notice_id), _parameters(work)
        if parameters is None:
            return POLICY_MISSING
        entry = next((entry for entry in notice.entries if entry.claim_id == body.claim_id), None)
        subject = entry.person_id if entry is not None else "none"
        today = shanghai_date(work.now)
        decision = decide(
            RaiseObjection(
                objection_id,
                ClaimId(body.claim_id),
                Clear(subject, body.grounds),
                today,
                parameters.objection_working_days,
            ),
            notice,
        )
        if isinstance(decision, Rejection):
            return decision
        notice = work.append(NOTICE, notice_id, decision)
        district = DistrictCode(notice.district).zh
        held = decide_claim(
            HoldClaim("objection", today, f"{district}人力资源社会保障部门核实异议"), work.state(CLAIM, body.claim_id)
        )
        if isinstance(held, Rejection):
            return held
        work.append(CLAIM, body.claim_id, held)
        settle_by = notice.objections[objection_id].settle_by
        return answer(work, notice_id, ObjectionTaken(objection_id, body.claim_id, settle_by), 201)

    needs = Needs(streams=(notice_id, body.claim_id), rows=POLICY_NEED)
    return await command(request, needs, handle)


@api.post(
    "/objections/{objection_id}/decision", summary="处理异议", description="异议成立则不予批准，不成立则恢复办理。"
)
@allow(STAFF)
@carries_out(ShownNotice)
async def decide_objection(request: Request, objection_id: str, body: ObjectionDecision) -> Response:
    caller = caller_of(request)
    district, person = _own_district(caller), caller.person

    def handle(work: Work) -> Answer | Rejection:
        place = work.row("objection", objection_id, ObjectionPlace)
        if place is None:
            return unknown("异议")
        work.require(place.notice_id, place.claim_id)
        notice, today = work.state(NOTICE, place.notice_id), shanghai_date(work.now)
        if notice.district != district:
            return Rejection(code="not_your_district", detail="只能处理本区公示的异议", status=403)
        decision = decide(DecideObjection(objection_id, body.upheld, body.reasons, person, today), notice)
        if isinstance(decision, Rejection):
            return decision
        notice = work.append(NOTICE, place.notice_id, decision)
        claim = work.state(CLAIM, place.claim_id)
        others_open = any(
            other.claim_id == place.claim_id and other.upheld is None for other in notice.objections.values()
        )
        if claim.status in ("rejected", "withdrawn"):
            settled: Decision = []
        elif body.upheld:
            settled = decide_claim(RejectClaim(person, ("公示异议成立：" + body.reasons,), today), claim)
        else:
            settled = [] if others_open else decide_claim(LiftHold("objection"), claim)
        if isinstance(settled, Rejection):
            return settled
        work.append(CLAIM, place.claim_id, settled)
        return answer(work, place.notice_id, shown(place.notice_id, notice))

    return await command(request, Needs(rows=(("objection", objection_id),)), handle)


@api.get("/notices/{notice_id}", summary="公示（不含姓名）")
@allow(STAFF, "city", "finance/*", "auditor", "app")
@shows(ShownNotice)
async def read(request: Request, notice_id: str) -> Response:
    work = await store_of(request).look(Needs(streams=(notice_id,)))
    notice = work.state(NOTICE, notice_id) if notice_id.startswith("ntc_") else Notice()
    if notice.id is None:
        raise of_rejection(unknown("公示"))
    found = answer(work, notice_id, shown(notice_id, notice))
    return current(request, found)


@api.get("/notices", summary="公示列表")
@allow(STAFF, "city", "finance/*", "auditor", "app")
@lists(ShownNotice)
async def all_notices(request: Request, status: str | None = None, district: str | None = None) -> Response:
    if status is not None and status not in ("draft", "published", "closed"):
        raise invalid_field("query:/status", "status", "只能是 draft、published 或 closed")
    facets = [f"{name}:{value}" for name, value in (("status", status), ("district", district)) if value]
    return await page(request, "notice", facets)

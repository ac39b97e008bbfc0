"""Objections: what the public says to a notice, and what becomes of it, per claim.   (B-18)"""

from typing import Annotated

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from services.subsidy.api.claims import parameters_of
from services.subsidy.api.notice_view import ObjectionTaken, ShownNotice, shown
from services.subsidy.api.notices import NOT_YOURS, STAFF, own_districts
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_decisions import HoldClaim, LiftHold, RejectClaim
from services.subsidy.domain.claim_decisions import decide as decide_claim
from services.subsidy.domain.notice import NOTICE, DecideObjection, ObjectionPlace, RaiseObjection, decide
from shared.eventstore.decider import Decision, Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.districts import District as DistrictCode
from shared.values.ids import ClaimId, new_id, uuid7
from shared.values.personal import Clear
from shared.web.answers import carries_out
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, unknown
from shared.web.fields import ClaimRef, Code, StaffText, Text
from shared.web.routes import Body, router

api = router("公示")


class NewObjection(Body):
    """`evidence`: references of the documents that were handed in."""

    claim_id: ClaimRef
    grounds: Text
    evidence: Annotated[tuple[Code, ...], Field(max_length=20)] = ()


class ObjectionDecision(Body):
    upheld: Annotated[bool, Field(strict=True)]
    reasons: StaffText


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
        notice, claim = work.state(NOTICE, notice_id), work.state(CLAIM, body.claim_id)
        entry = next((entry for entry in notice.entries if entry.claim_id == body.claim_id), None)
        subject = entry.person_id if entry is not None else "none"
        today = shanghai_date(work.now)
        days = 1 if entry is None else parameters_of(work, claim).objection_working_days
        grounds = Clear(subject, body.grounds)
        decision = decide(
            RaiseObjection(objection_id, ClaimId(body.claim_id), grounds, today, days, body.evidence), notice
        )
        if isinstance(decision, Rejection):
            return decision
        notice = work.append(NOTICE, notice_id, decision)
        district = DistrictCode(notice.district).zh
        held = decide_claim(HoldClaim("objection", today, f"{district}人力资源社会保障部门核实异议"), claim)
        if isinstance(held, Rejection):
            return held
        work.append(CLAIM, body.claim_id, held)
        settle_by = notice.objections[objection_id].settle_by
        return answer(work, notice_id, ObjectionTaken(objection_id, body.claim_id, settle_by), 201)

    return await command(request, Needs(streams=(notice_id, body.claim_id)), handle)


@api.post(
    "/objections/{objection_id}/decision", summary="处理异议", description="异议成立则不予批准，不成立则恢复办理。"
)
@allow(STAFF)
@carries_out(ShownNotice)
async def decide_objection(request: Request, objection_id: str, body: ObjectionDecision) -> Response:
    caller = caller_of(request)
    districts, person = own_districts(caller), caller.person

    def handle(work: Work) -> Answer | Rejection:
        place = work.row("objection", objection_id, ObjectionPlace)
        if place is None:
            return unknown("异议")
        work.require(place.notice_id, place.claim_id)
        notice, today = work.state(NOTICE, place.notice_id), shanghai_date(work.now)
        if notice.district not in districts:
            return NOT_YOURS
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

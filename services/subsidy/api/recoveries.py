"""`/v1/recoveries`: money that was wrongly paid, claimed back by two persons and followed to its end.   (B-32, B-35)"""

from collections.abc import Callable
from datetime import date

from fastapi import Request
from fastapi.responses import Response

from services.subsidy.api.recovery_view import ShownRecovery, shown
from services.subsidy.domain.budget import line_of
from services.subsidy.domain.claim import CLAIM, Claim
from services.subsidy.domain.claim_payment import EndRecovery, RecoverClaim, decide_payment
from services.subsidy.domain.recovery import (
    RECOVERY,
    ConfirmRecovery,
    DismissRecovery,
    Ground,
    ProposeRecovery,
    ReceiveInstalment,
    Recovery,
    RecoveryCommand,
    RecoveryProposed,
    RecoveryStatus,
    WriteOffRecovery,
    decide,
    recovery_of,
)
from services.subsidy.intake.judging import active_versions
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.ids import ClaimId, RecoveryId, parse_id
from shared.values.rejected import Invalid
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import ClaimRef, Code, Day, Money
from shared.web.lists import page
from shared.web.problem import of_rejection
from shared.web.routes import Body, router
from shared.web.step_up import steps_up

api = router("资金")

READERS = ("finance/*", "city", "auditor")


class NewRecovery(Body):
    """`document`: the reference of the file that says why; no names, no free text."""

    claim_id: ClaimRef
    ground: Ground
    document: Code


class Dismissal(Body):
    document: Code


class NewInstalment(Body):
    """`reference`: the bank's number of the receipt; `on`: the bank's day."""

    amount: Money
    reference: Code
    on: Day


class NewWriteOff(Body):
    document: Code


@api.post(
    "/recoveries",
    status_code=201,
    summary="提出追回：已发放的补贴",
    description="由一人提出，写明事由代码和依据材料编号；须由另一人确认后才向当事人追回。",
)
@allow("finance/maker", "finance/releaser", "city")
@carries_out(ShownRecovery)
async def propose(request: Request, body: NewRecovery) -> Response:
    person, recovery_id = caller_of(request).person, recovery_of(body.claim_id)

    def handle(work: Work) -> Answer | Rejection:
        claim = work.state(CLAIM, body.claim_id)
        if claim.submission is None:
            return unknown("申请", "/claim_id")
        today = shanghai_date(work.now)
        # Whether it may be claimed back is the claim's to say; it says so again when a second person confirms.
        refusal = decide_payment(RecoverClaim(recovery_id, today), claim)
        if isinstance(refusal, Rejection):
            return refusal
        assert claim.amount is not None
        proposed = RecoveryProposed(
            recovery_id, ClaimId(body.claim_id), claim.submission.person_id, claim.amount, body.ground, body.document,
            person, today,
        )  # fmt: skip
        return _carried(work, recovery_id, ProposeRecovery(proposed), 201)

    needs = Needs(streams=(body.claim_id, recovery_id))
    return await command(request, needs, handle, location="/v1/recoveries/{id}")


@api.post("/recoveries/{recovery_id}:confirm", summary="确认追回：由提出人以外的另一人", operation_id="confirmRecovery")
@allow("finance/releaser", "city")
@carries_out(ShownRecovery)
@steps_up
async def confirm(request: Request, recovery_id: str) -> Response:
    person = caller_of(request).person

    def handle(work: Work) -> Answer | Rejection:
        today = shanghai_date(work.now)
        outcome = _carried(work, recovery_id, ConfirmRecovery(person, today))
        if isinstance(outcome, Rejection):
            return outcome
        refusal = _on_claim(work, recovery_id, lambda id: RecoverClaim(id, today))
        return outcome if refusal is None else refusal

    return await command(request, Needs(streams=(recovery_id,)), handle)


@api.post(
    "/recoveries/{recovery_id}:dismiss",
    summary="不予追回",
    description="对提示或提出的追回，经核实无须追回的，凭依据材料撤销。",
    operation_id="dismissRecovery",
)
@allow("finance/releaser", "city")
@carries_out(ShownRecovery)
async def dismiss(request: Request, recovery_id: str, body: Dismissal) -> Response:
    person = caller_of(request).person
    return await _decided(request, recovery_id, lambda today: DismissRecovery(person, body.document, today))


@api.post(
    "/recoveries/{recovery_id}/instalments",
    status_code=201,
    summary="登记一笔追回款",
    description="按银行到账逐笔登记，金额精确到分，不得超过尚欠金额；同一流水号不重复登记。全部到账即办结。",
)
@allow("finance/maker", "finance/releaser")
@carries_out(ShownRecovery)
async def receive(request: Request, recovery_id: str, body: NewInstalment) -> Response:
    person = caller_of(request).person

    def handle(work: Work) -> Answer | Rejection:
        recovery, today = work.state(RECOVERY, recovery_id), shanghai_date(work.now)
        if recovery.claim_id is None:
            return unknown("追回")
        if body.on > today:
            return Rejection(code="day_to_come", detail="到账日期不能晚于今天", status=422)
        work.require(recovery.claim_id)
        claim = work.state(CLAIM, recovery.claim_id)
        assert claim.submission is not None
        line = line_of(claim.submission.programme, body.on.year)
        outcome = _carried(
            work, recovery_id, ReceiveInstalment(body.amount, body.reference, line, body.on, person), 201
        )
        ended = work.state(RECOVERY, recovery_id).status == "settled" and recovery.status != "settled"
        refusal = _ended(work, recovery_id, settled=True) if ended else None
        return outcome if refusal is None else refusal

    return await command(request, Needs(streams=(recovery_id,)), handle)


@api.post(
    "/recoveries/{recovery_id}:write-off",
    summary="核销未追回部分：两人办理",
    description="一人提出，另一人以同一依据材料再次办理即核销；此间有款项到账的，须重新提出。",
    operation_id="writeOffRecovery",
)
@allow("finance/maker", "finance/releaser", "city")
@carries_out(ShownRecovery)
@steps_up
async def write_off(request: Request, recovery_id: str, body: NewWriteOff) -> Response:
    person = caller_of(request).person

    def handle(work: Work) -> Answer | Rejection:
        outcome = _carried(work, recovery_id, WriteOffRecovery(body.document, person, shanghai_date(work.now)))
        if isinstance(outcome, Rejection) or work.state(RECOVERY, recovery_id).status != "waived":
            return outcome
        refusal = _ended(work, recovery_id, settled=False)
        return outcome if refusal is None else refusal

    return await command(request, Needs(streams=(recovery_id,)), handle)


async def _decided(request: Request, recovery_id: str, wanted: Callable[[date], RecoveryCommand]) -> Response:
    def handle(work: Work) -> Answer | Rejection:
        return _carried(work, recovery_id, wanted(shanghai_date(work.now)))

    return await command(request, Needs(streams=(recovery_id,)), handle)


def _carried(work: Work, recovery_id: str, wanted: RecoveryCommand, status: int = 200) -> Answer | Rejection:
    decision = decide(wanted, work.state(RECOVERY, recovery_id))
    if isinstance(decision, Rejection):
        return decision
    return answer(work, recovery_id, shown(recovery_id, work.append(RECOVERY, recovery_id, decision)), status)


def _on_claim(
    work: Work, recovery_id: str, wanted: Callable[[RecoveryId], RecoverClaim | EndRecovery]
) -> Rejection | None:
    """What becomes of the claim, in the same transaction."""
    recovery = work.state(RECOVERY, recovery_id)
    assert recovery.claim_id is not None
    work.require(recovery.claim_id)
    decision = decide_payment(wanted(RecoveryId(recovery_id)), work.state(CLAIM, recovery.claim_id))
    if isinstance(decision, Rejection):
        return decision
    work.append(CLAIM, recovery.claim_id, decision)
    return None


def _ended(work: Work, recovery_id: str, *, settled: bool) -> Rejection | None:
    recovery = work.state(RECOVERY, recovery_id)
    assert recovery.claim_id is not None
    work.require(recovery.claim_id)
    frees = _frees_place(work, work.state(CLAIM, recovery.claim_id))
    today = shanghai_date(work.now)
    return _on_claim(work, recovery_id, lambda id: EndRecovery(id, settled, frees, today))


def _frees_place(work: Work, claim: Claim) -> bool:
    """Whether the version that approved the claim gives the place of a recovered subsidy back.   (B-14)"""
    assert claim.submission is not None
    work.require(rows=(("policy", claim.submission.programme),))
    version = active_versions(work, claim.submission.programme).named(claim.policy_version or "")
    return version is not None and version.parameters.recovered_frees


@api.get("/recoveries/{recovery_id}", summary="追回")
@allow(*READERS)
@shows(ShownRecovery)
async def read(request: Request, recovery_id: str) -> Response:
    recovery, work = Recovery(), await store_of(request).look(Needs(streams=(recovery_id,)))
    if not isinstance(parse_id("rec", recovery_id), Invalid):
        recovery = work.state(RECOVERY, recovery_id)
    if recovery.id is None:
        raise of_rejection(unknown("追回"))
    return current(request, answer(work, recovery_id, shown(recovery_id, recovery)))


@api.get("/recoveries", summary="追回列表")
@allow(*READERS, "ops")
@lists(ShownRecovery)
async def recoveries(
    request: Request, status: RecoveryStatus | None = None, claim_id: ClaimRef | None = None
) -> Response:
    wanted = (("status", status), ("claim", claim_id))
    return await page(request, "recovery", [f"{name}:{value}" for name, value in wanted if value])

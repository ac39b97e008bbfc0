"""`/v1/payment-batches/{id}/results`: what the bank tells, by JSON lines or by its file.   (B-19, B-35)

Lines of which nothing was made stay a difference until `:clear` says what explains them.
"""

from collections.abc import Callable
from datetime import date
from email.message import Message
from hashlib import sha256
from typing import Annotated, Literal

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from services.subsidy.api.payment_view import ResultsTaken, ResultTaken
from services.subsidy.bank_files.result_file import MOST_BYTES, read_result_file
from services.subsidy.domain.bank_results import MOST_LINES, BankLine, JudgedLine, Source, doubled, judge
from services.subsidy.domain.claim import CLAIM, Claim
from services.subsidy.domain.payment_batch import MOST_ITEMS, PAYMENT_BATCH, ClearLines, ImportResults, decide
from services.subsidy.domain.payment_order import named_by, order_id, reason_of
from shared.eventstore.decider import FieldError, Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.testing.fault_points import FaultPoint, reached
from shared.values.calendar import shanghai_date
from shared.values.ids import PaymentBatchId
from shared.web.answers import carries_out
from shared.web.body import declares, read_body
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, unknown
from shared.web.fields import ClaimRef, Code, Day, StaffText
from shared.web.problem import Problem
from shared.web.routes import Body, router

api = router("资金")


class ResultLine(Body):
    """`reason`: one of the reasons for a return; any other counts as `other`. Without `on`: today."""

    claim_id: ClaimRef
    outcome: Literal["paid", "returned", "unknown"]
    reason: Annotated[str, Field(max_length=200)] = ""
    on: Day | None = None


class Results(Body):
    results: Annotated[tuple[ResultLine, ...], Field(min_length=1, max_length=MOST_ITEMS)]


CSV_BODY = {"text/csv": {"schema": {"type": "string", "format": "binary"}}}
_declared = declares(Results)
_declared["requestBody"]["content"] |= CSV_BODY

Lines = Callable[[Work, PaymentBatchId, date], tuple[BankLine, ...] | Rejection]


@api.post(
    "/payment-batches/{batch_id}/results",
    summary="登记银行发放结果，逐笔处理",
    description=(
        "可逐笔填报（JSON），也可上传银行回盘文件（`text/csv`，UTF-8 或 GB18030）：首行为批次号、笔数、总金额，"
        "其后每行为订单号、金额、结果（成功、退票、待核）、日期、原因；批次号不是本批次、汇总与明细不符的整份拒收。逐笔处理："
        "某一笔不被接受，不影响其他各笔。文件的摘要留存，同一文件再次登记不产生任何变化。"
    ),
    operation_id="recordPaymentResults",
    openapi_extra=_declared,
)
@allow("finance/maker", "finance/releaser")
@carries_out(ResultsTaken, refuses=(413,))
async def results(request: Request, batch_id: str) -> Response:
    caller = caller_of(request)
    by = caller.user or caller.client
    content = await request.body()
    reached(FaultPoint.IMPORT_TAKEN)
    kind, charset = _media_type(request)
    source: Source = "csv" if kind == "text/csv" else "json"
    lines = _of_file(content, charset) if source == "csv" else _of_json(await read_body(request, Results))
    digest = sha256(content).hexdigest()

    def handle(work: Work) -> Answer | Rejection:
        batch, today = work.state(PAYMENT_BATCH, batch_id), shanghai_date(work.now)
        if batch.id is None:
            return unknown("批次")
        if (known := batch.imports.get(digest)) is not None:
            return _answered(work, batch_id, digest, known.lines, repeated=True)
        found = lines(work, batch.id, today)
        if isinstance(found, Rejection):
            return found
        judged = _carried_out(work, batch.id, found)
        reached(FaultPoint.IMPORT_JUDGED)
        decision = decide(ImportResults(digest, source, judged, by, today), batch)
        if isinstance(decision, Rejection):
            return decision
        work.append(PAYMENT_BATCH, batch_id, decision)
        return _answered(work, batch_id, digest, judged, repeated=False)

    return await command(request, Needs(streams=(batch_id,)), handle)


class Clearing(Body):
    """`lines`: numbers of refused lines. `document`: the reference of what shows that they are explained."""

    lines: Annotated[tuple[Annotated[int, Field(ge=1, le=MOST_LINES, strict=True)], ...], Field(min_length=1)]
    reason: StaffText
    document: Code


@api.post(
    "/payment-batches/{batch_id}/results/{digest}:clear",
    summary="核销银行结果中的差异行",
    description=(
        "未被接受的行在对账中列为差异；查明原因、有据可查后，由登记结果以外的另一人核销。核销只关乎差异本身，"
        "不改变任何申请和订单。"
    ),
    operation_id="clearPaymentResultLines",
)
@allow("finance/maker", "finance/releaser")
@carries_out(ResultsTaken)
async def clear(request: Request, batch_id: str, digest: str, body: Clearing) -> Response:
    person = caller_of(request).person

    def handle(work: Work) -> Answer | Rejection:
        batch, today = work.state(PAYMENT_BATCH, batch_id), shanghai_date(work.now)
        decision = decide(ClearLines(digest, body.lines, body.reason, body.document, person, today), batch)
        if isinstance(decision, Rejection):
            return decision
        batch = work.append(PAYMENT_BATCH, batch_id, decision)
        return _answered(work, batch_id, digest, batch.imports[digest].lines, repeated=not decision)

    return await command(request, Needs(streams=(batch_id,)), handle)


def _media_type(request: Request) -> tuple[str, str | None]:
    given = Message()
    given["content-type"] = request.headers.get("content-type") or "application/json"
    kind = given.get_content_type()
    if kind not in ("application/json", "text/csv"):
        raise Problem(422, "media_type", "只接受 application/json 或 text/csv")
    return kind, given.get_content_charset()


def _of_file(content: bytes, charset: str | None) -> Lines:
    if len(content) > MOST_BYTES:
        raise Problem(413, "file_too_large", f"文件不能超过 {MOST_BYTES // 1024} KiB")
    return lambda work, batch_id, today: read_result_file(content, charset, batch_id, today)


def _of_json(body: Results) -> Lines:
    """Lines name claims: what is meant is the claim's order in this batch, or its last one in another."""

    def lines(work: Work, batch_id: PaymentBatchId, today: date) -> tuple[BankLine, ...] | Rejection:
        if late := [n for n, line in enumerate(body.results) if line.on is not None and line.on > today]:
            fields = tuple(FieldError(f"/results/{n}/on", "day_to_come", "日期不能晚于今天") for n in late)
            return Rejection(code="invalid_request", detail="请求内容有误，请按提示修改", status=422, fields=fields)
        work.require(*(line.claim_id for line in body.results))
        return tuple(
            BankLine(
                number,
                _order_meant(work.state(CLAIM, line.claim_id), line.claim_id, batch_id),
                line.outcome,
                reason_of(line.reason),
                line.on or today,
            )
            for number, line in enumerate(body.results, 1)
        )

    return lines


def _order_meant(claim: Claim, claim_id: str, batch_id: PaymentBatchId) -> str:
    order = claim.order_in(batch_id)
    return order_id(claim_id, max(1, claim.attempts) if order is None else order.attempt)


def _carried_out(work: Work, batch_id: PaymentBatchId, lines: tuple[BankLine, ...]) -> tuple[JudgedLine, ...]:
    """Each line on its own, in the order of the file; claims change as their lines say."""
    named = {found.claim_id for line in lines if (found := named_by(line.order_id)) is not None}
    work.require(*sorted(named))
    claims: dict[str, Claim] = {id: work.state(CLAIM, id) for id in named if work.exists(id)}
    double = doubled(lines)
    judged = []
    for line in lines:
        one = judge(line, double.get(line.line), batch_id, claims)
        if one.claim_id is not None and one.events:
            claims[one.claim_id] = work.append(CLAIM, one.claim_id, one.events)
        judged.append(one.line)
    return tuple(judged)


def _answered(work: Work, batch_id: str, digest: str, lines: tuple[JudgedLine, ...], *, repeated: bool) -> Answer:
    work.require(*{named.claim_id for line in lines if (named := named_by(line.order_id or "")) is not None})
    taken = ResultsTaken(digest, repeated, tuple(_taken(work, line) for line in lines))
    return answer(work, batch_id, taken)


def _taken(work: Work, line: JudgedLine) -> ResultTaken:
    named = named_by(line.order_id or "")
    code = None if line.verdict == "recorded" else line.verdict
    claim_id = "" if named is None else named.claim_id
    status = work.state(CLAIM, claim_id).status if line.accepted else None
    return ResultTaken(claim_id, line.accepted, line.line, line.order_id, status, code)

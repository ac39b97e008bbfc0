"""`/v1/reconciliations`: a line's money as claims, orders and results tell it, as of a log position.   (B-35)"""

import csv
import io
from typing import Annotated, Literal

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from services.subsidy.api.submission import Programme
from services.subsidy.domain.budget import line_of
from services.subsidy.domain.reconciliation import Found, Open, Reconciliation, Totals
from services.subsidy.processes.reconciliation import RECONCILIATION, ReconciliationAsked
from services.subsidy.projections.money import is_known
from shared.runtime.long_work_routes import ShownOperation, accepted
from shared.web.answers import gives
from shared.web.caller import allow
from shared.web.command import store_of, unknown
from shared.web.problem import Problem, of_rejection
from shared.web.routes import Body, router

api = router("资金")

Format = Literal["json", "csv"]
READERS = ("finance/*", "city", "auditor")


class LineToReconcile(Body):
    programme: Programme
    year: Annotated[int, Field(ge=2023, le=2100, strict=True)]


@api.post(
    "/reconciliations",
    status_code=202,
    summary="对账：申请、付款指令与银行结果三方核对",
    description=(
        "按补贴项目和年度，逐项核对到分：预算、承诺、在途、已发放净额、退票、结转、追回；不一致之处逐条列出编号。"
        "作为长时操作进行，结果留存，见 `/v1/reconciliations/{id}`，`id` 即操作编号。"
    ),
    operation_id="reconcileBudgetLine",
)
@allow(*READERS)
@gives(ShownOperation, headers=("Location", "Retry-After"), refuses=(404,), keyed=True)
async def ask(request: Request, body: LineToReconcile) -> Response:
    """Reads only. Raises a 404 for a line that was never set."""
    line = line_of(body.programme, body.year)
    if not await is_known(store_of(request).pool, line):
        raise of_rejection(unknown("预算"))
    return await accepted(request, request.app.state.parts.operations, RECONCILIATION, ReconciliationAsked(line))


@api.get(
    "/reconciliations/{reconciliation_id}",
    summary="对账结果",
    description=(
        "`as_of` 为所依据的日志位置；其间若又有新事件，`complete` 为 false，不与台账比较。`format=csv` 可下载。"
    ),
    operation_id="readReconciliation",
)
@allow(*READERS)
@gives(Reconciliation, refuses=(404,))
@gives(bytes, media_type="text/csv")
async def read(request: Request, reconciliation_id: str, format: Format = "json") -> Response:
    """What came of it, once it has; money in CNY."""
    operation = await request.app.state.parts.operations.find(reconciliation_id)
    if operation is None or operation.kind != RECONCILIATION or operation.result is None:
        raise Problem(404, "not_found", "没有找到这次对账，或尚未完成")
    if format == "json":
        return Response(operation.result, media_type="application/json")
    found = msgspec.json.decode(operation.result, type=Reconciliation)
    name = f"reconciliation-{found.line.replace('/', '-')}-{found.as_of}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(as_csv(found), media_type="text/csv; charset=utf-8", headers=headers)


def as_csv(found: Reconciliation) -> bytes:
    """UTF-8 with a byte order mark, CRLF: the totals, then each difference, then what is open."""
    written = io.StringIO(newline="")
    out = csv.writer(written, lineterminator="\r\n")
    out.writerow(("对账", found.line, "日志位置", found.as_of, "已核平" if found.balanced else "未核平"))
    out.writerow(("金额", *Totals.__struct_fields__))
    out.writerow(("", *(getattr(found.totals, name) for name in Totals.__struct_fields__)))
    for title, kind, items in (("差异", Found, found.differences), ("在途", Open, found.open)):
        out.writerow((title, *kind.__struct_fields__))
        for item in items:
            values = (getattr(item, name) for name in kind.__struct_fields__)
            out.writerow(("", *("" if value is None else value for value in values)))
    return written.getvalue().encode("utf-8-sig")

"""`/v1/reconciliations`: a line's money as claims, orders and results tell it, as of a log position.   (B-35)"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeVar

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response

from services.subsidy.api.submission import Programme
from services.subsidy.domain.budget import BUDGET_LINE, Budget, line_of
from services.subsidy.domain.budget import stream_of as budget_stream
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.payment_batch import PAYMENT_BATCH
from services.subsidy.domain.reconciliation import (
    ZERO,
    Accounts,
    Found,
    Open,
    Totals,
    batches_of,
    differences,
    open_items,
    totals,
)
from services.subsidy.domain.recovery import RECOVERY
from services.subsidy.projections.money import lists_of, received_on, versions_at
from shared.eventstore.decider import Aggregate
from shared.eventstore.listing import shows_what_is_there
from shared.eventstore.needs import Needs
from shared.eventstore.store import Store
from shared.web.answers import gives
from shared.web.caller import allow
from shared.web.command import store_of, unknown
from shared.web.problem import of_rejection
from shared.web.routes import router

api = router("资金")

S = TypeVar("S")

Format = Literal["json", "csv"]
PATIENCE = 5.0
AT_ONCE = 200
"""How many streams are folded in one round trip."""


class Reconciliation(msgspec.Struct, frozen=True):
    """`as_of`: the position of subsidy's log up to which everything is in it.

    `complete`: nothing more had happened when it was made, so that the ledger was compared as well. `balanced`: it is
    complete and there is no difference; what is open is none.
    """

    line: str
    as_of: int
    complete: bool
    balanced: bool
    claims: int
    totals: Totals
    differences: tuple[Found, ...]
    open: tuple[Open, ...]


@api.get(
    "/reconciliations",
    summary="对账：申请、付款指令与银行结果三方核对",
    description=(
        "按补贴项目和年度，逐项核对到分：预算、承诺、在途、已发放净额、退票、结转、追回；不一致之处逐条列出编号。"
        "`as_of` 为所依据的日志位置；其后若有新事件，`complete` 为 false，不与台账比较。`format=csv` 可下载。"
    ),
    operation_id="readReconciliation",
)
@allow("finance/*", "city", "auditor")
@gives(Reconciliation, refuses=(404,))
@gives(bytes, media_type="text/csv")
async def read(
    request: Request,
    programme: Programme,
    year: Annotated[int, Query(ge=2023, le=2100)],
    format: Format = "json",
) -> Response:
    found = await reconciled(store_of(request), line_of(programme, year))
    if format == "json":
        return Response(msgspec.json.encode(found), media_type="application/json")
    name = f"reconciliation-{programme}-{year}-{found.as_of}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(as_csv(found), media_type="text/csv; charset=utf-8", headers=headers)


async def reconciled(store: Store, line: str) -> Reconciliation:
    """The line as its events tell it. Raises a 404 for a line that was never set and has no claims."""
    await shows_what_is_there(store.pool, PATIENCE)
    lists = await lists_of(store.pool, line)
    if lists.budget is None and not lists.claims:
        raise of_rejection(unknown("预算"))
    claims = await _folded(store, CLAIM, {row.id: row.version for row in lists.claims})
    of_claims = [claim.recovery_id for claim in claims.values() if claim.recovery_id is not None]
    recoveries = await _as_of(store, RECOVERY, of_claims, lists.position)
    batches = await _as_of(store, PAYMENT_BATCH, batches_of(claims.values()), lists.position)
    budget = (await _as_of(store, BUDGET_LINE, [budget_stream(line)], lists.position)).get(
        budget_stream(line), Budget()
    )
    accounts = Accounts(
        line=line,
        budget=lists.budget or ZERO,
        claims=claims,
        batches=batches,
        recoveries=recoveries,
        received=received_on(line, lists.recoveries),
        ledger=lists.committed if lists.complete else None,
        carried_to=budget.carried_to,
    )
    different = tuple(differences(accounts))
    return Reconciliation(
        line=line,
        as_of=lists.position,
        complete=lists.complete,
        balanced=lists.complete and not different,
        claims=len(claims),
        totals=totals(accounts),
        differences=different,
        open=tuple(open_items(accounts)),
    )


async def _as_of(store: Store, aggregate: Aggregate[S], streams: Sequence[str], position: int) -> dict[str, S]:
    return await _folded(store, aggregate, await versions_at(store.pool, streams, position))


async def _folded(store: Store, aggregate: Aggregate[S], versions: Mapping[str, int]) -> dict[str, S]:
    """The streams, each up to its version."""
    states: dict[str, S] = {}
    streams = sorted(versions)
    for start in range(0, len(streams), AT_ONCE):
        some = streams[start : start + AT_ONCE]
        work = await store.look(Needs(streams=tuple(some)))
        states |= {id: aggregate.fold(item.event for item in work.history(id)[: versions[id]]) for id in some}
    return states


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

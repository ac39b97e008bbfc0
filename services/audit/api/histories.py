"""`/v1/claims/{id}/history` and `/v1/access-log`: what the archive knows."""

from datetime import datetime

import msgspec
from fastapi import Request
from fastapi.responses import Response

from services.audit.archive.history import History, from_archive
from services.audit.archive.timeline import line
from services.audit.intake.claims import differences
from shared.eventstore.record import canonical, parse
from shared.web.caller import allow
from shared.web.command import store_of, unknown
from shared.web.peers import PeerUnavailable
from shared.web.problem import Problem, of_rejection
from shared.web.routes import router

api = router("审计")


async def history_of(request: Request, claim_id: str, as_of: datetime | None) -> History:
    if as_of is not None and as_of.tzinfo is None:
        raise Problem(422, "invalid_request", "as_of 须带时区")
    found = await from_archive(store_of(request).pool, claim_id, as_of)
    if found is None:
        raise of_rejection(unknown("申请"))
    return found


@api.get("/claims/{claim_id}/history", summary="申请的完整历史，跨服务，可指定时点")
@allow("auditor", "city", "ops")
async def history(request: Request, claim_id: str, as_of: datetime | None = None) -> Response:
    found = await history_of(request, claim_id, as_of)
    items = b",".join(
        b'{"service":"%s","position":%d,"leaf":"%s","record":%s}'
        % (item.service.encode(), item.position, item.leaf.encode(), canonical(item.record))
        for item in found.items
    )
    timeline = msgspec.json.encode([line(item) for item in found.items])
    claim = msgspec.json.encode(found.claim)
    proofs = msgspec.json.encode(f"/v1/claims/{claim_id}/proofs")
    body = b'{"claim":' + claim + b',"proofs":' + proofs + b',"timeline":' + timeline + b',"items":[' + items + b"]}"
    return Response(body, media_type="application/json")


@api.get("/claims/{claim_id}/comparison", summary="事件所述与补贴服务所示是否一致")
@allow("auditor", "city", "ops")
async def comparison(request: Request, claim_id: str) -> Response:
    found = await history_of(request, claim_id, None)
    try:
        shown = await request.app.state.peers.get("subsidy", f"/v1/claims/{claim_id}")
    except PeerUnavailable:
        raise Problem(503, "subsidy_unavailable", "补贴服务暂时不可用，请稍后重试") from None
    findings = ["补贴服务没有这个申请"] if shown is None else differences(found.claim, shown)
    return Response(
        msgspec.json.encode({"claim_id": claim_id, "identical": not findings, "findings": findings}),
        media_type="application/json",
    )


@api.get("/access-log", summary="查阅个人信息的记录")
@allow("auditor")
async def access_log(request: Request, limit: int = 100) -> Response:
    rows = await store_of(request).pool.fetch(
        "select record from archive where type = 'registry.PersonalDataDisclosed.v1' order by seq desc limit $1",
        min(max(limit, 1), 200),
    )
    items = []
    for row in rows:
        record = parse(row["record"])
        items.append(
            {"at": record.occurred_at, "recorded_at": record.recorded_at, **msgspec.json.decode(record.payload)}
        )
    return Response(msgspec.json.encode({"items": items, "next": None}), media_type="application/json")

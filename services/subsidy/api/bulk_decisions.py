"""`/v1/claims:review` and `:approve`: decisions on many claims in one request, each with its own result.   (B-17)"""

from fastapi import Request
from fastapi.responses import Response

from services.subsidy.api.claims import APPROVERS, REVIEWERS, Approval, Review, approve, review
from shared.web.answers import gives
from shared.web.bulk import Bulk, BulkResult, distinct, in_bulk
from shared.web.caller import allow
from shared.web.fields import ClaimRef
from shared.web.routes import router

api = router("申请")


class ReviewOf(Review):
    claim_id: ClaimRef


class ApprovalOf(Approval):
    claim_id: ClaimRef


@api.post("/claims:review", summary="批量审核，逐件给出结果")
@allow(REVIEWERS)
@gives(BulkResult, keyed=True)
async def review_many(request: Request, body: Bulk[ReviewOf]) -> Response:
    """Up to 500 claims; each is decided as `/v1/claims/{id}/review` would, and none harms another."""
    distinct([item.claim_id for item in body.items], "claim_id")
    items = [(item.claim_id, f"/v1/claims/{item.claim_id}/review", item) for item in body.items]
    return await in_bulk(request, items, review)


@api.post("/claims:approve", summary="批量批准，逐件给出结果：由审核人以外的另一人作出")
@allow(APPROVERS)
@gives(BulkResult, keyed=True)
async def approve_many(request: Request, body: Bulk[ApprovalOf]) -> Response:
    """Up to 500 claims; each is decided as `/v1/claims/{id}/approval` would, and none harms another."""
    distinct([item.claim_id for item in body.items], "claim_id")
    items = [(item.claim_id, f"/v1/claims/{item.claim_id}/approval", item) for item in body.items]
    return await in_bulk(request, items, approve)

"""`/v1/signing-keys:rotate`: other keys for the answers to banks, with overlap or at once."""

import msgspec
from fastapi import Request
from fastapi.responses import Response

from services.loans.domain.key_rotation import KEY_ROTATION, KeyRotationOrdered
from shared.eventstore.needs import Needs
from shared.eventstore.store import new_context
from shared.eventstore.work import Answer, Work
from shared.values.ids import new_id, uuid7
from shared.web.answers import gives
from shared.web.caller import allow, caller_of
from shared.web.command import store_of
from shared.web.problem import Problem
from shared.web.routes import router
from shared.web.signing.guard import Guard
from shared.web.signing.rotation import DESCRIPTION, OPTIONAL, Published, Rotation

api = router("报文签名")


@api.post(
    "/signing-keys:rotate",
    status_code=201,
    summary="更换应答签名密钥",
    description=DESCRIPTION,
    openapi_extra=OPTIONAL,
    operation_id="rotateSigningKeys",
)
@allow("ops")
@gives(Published, refuses=(409,))
async def rotate(request: Request, body: Rotation | None = None) -> Response:
    asked, guard = (body or Rotation()).checked(), _guard(request)
    caller, keys = caller_of(request), guard.keys
    keys.refresh()
    if not asked.at_once and keys.in_progress:
        raise Problem(409, "rotation_in_progress", "上一次更换的新密钥尚未启用，请稍后再试")
    withdrawn = tuple(str(key["kid"]) for key in keys.published()) if asked.at_once else ()
    order = KeyRotationOrdered(caller.person, asked.reason, withdrawn)

    def handle(work: Work) -> Answer:
        work.append(KEY_ROTATION, new_id(KEY_ROTATION.prefix, uuid7()), [order])
        return Answer(204, b"")

    await store_of(request).carry_out(Needs(), handle, new_context(caller.actor()))
    if asked.at_once:
        keys.withdraw()
    else:
        keys.rotate()
    published = tuple(str(key["kid"]) for key in keys.published())
    return Response(msgspec.json.encode(Published(published)), 201, media_type="application/json")


def _guard(request: Request) -> Guard:
    guard: Guard = request.app.state.signing
    return guard

"""`/v1/signing-keys`: the keys with which a service signs its answers to partners."""

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response
from starlette.routing import BaseRoute

from shared.runtime.parts import Parts
from shared.web.answers import gives
from shared.web.caller import PUBLIC, allow
from shared.web.routes import GuardedRoute
from shared.web.signing.declared import demands_signature


class OwnKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """A public JWK with its time, seconds since 1970, and the name of its algorithm in HTTP signatures."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str
    http_signature_algorithm: str
    nbf: int
    exp: int
    alg: str | None = None
    y: str | None = None


class KeySet(msgspec.Struct, frozen=True):
    keys: tuple[OwnKey, ...]


def signing_keys(parts: Parts) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["报文签名"], route_class=GuardedRoute)

    @router.get("/signing-keys", summary="应答签名公钥（JWK Set，含有效期）")
    @allow(PUBLIC)
    @gives(KeySet, headers=("Cache-Control",))
    async def published() -> Response:
        """`nbf` to `exp`, seconds since 1970. A successor is shown a day before it signs; what is withdrawn is gone."""
        assert parts.signing is not None
        parts.signing.keys.refresh()  # what another process has withdrawn must not be shown for another moment
        body = msgspec.json.encode({"keys": parts.signing.keys.published()})
        return Response(body, media_type="application/json", headers={"Cache-Control": "max-age=300"})

    return router


def is_signed(route: BaseRoute) -> bool:
    """Whether banks must sign what they send to this route."""
    return isinstance(route, GuardedRoute) and demands_signature(route.endpoint, ())

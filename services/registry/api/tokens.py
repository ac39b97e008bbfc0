"""`/oauth2/token`, `/jwks` and what describes them: access tokens for systems (RFC 6749, 7523, 8414, 9068)."""

import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from fastapi import Request
from fastapi.responses import Response
from joserfc import jwt

from services.registry.domain.client import CREDENTIALS, Client
from services.registry.domain.key_rotation import KEY_ROTATION, KeyRotationOrdered
from services.registry.tokens.assertions import ALGORITHMS, claimed, verified
from services.registry.tokens.signing import ALGORITHM, TOKEN_SECONDS, SigningKeys
from shared.eventstore.needs import Needs
from shared.eventstore.store import new_context
from shared.eventstore.work import Answer, Work
from shared.values.ids import new_id, uuid7
from shared.web.answers import gives
from shared.web.caller import PUBLIC, allow, caller_of
from shared.web.command import store_of
from shared.web.problem import Problem
from shared.web.query import others_passed_over
from shared.web.routes import router
from shared.web.signing.rotation import DESCRIPTION, OPTIONAL, Published, Rotation

api = router("令牌", prefix="")

GRANT = "client_credentials"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM = "application/x-www-form-urlencoded"
TOKEN_PATH, JWKS_PATH = "/oauth2/token", "/jwks"
UNCACHED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
DESCRIBED = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["grant_type", "client_assertion_type", "client_assertion"],
                    "properties": {
                        "grant_type": {"const": GRANT},
                        "client_assertion_type": {"const": ASSERTION_TYPE},
                        "client_assertion": {"type": "string", "examples": ["eyJhbGciOiJFZDI1NTE5In0…"]},
                        "scope": {"type": "string", "examples": ["bank:demo-a"]},
                    },
                }
            }
        },
    }
}


class Token(msgspec.Struct, frozen=True):
    access_token: str
    token_type: str
    expires_in: int
    scope: str


class OAuthError(msgspec.Struct, frozen=True):
    error: str
    error_description: str


class JwkSet(msgspec.Struct, frozen=True):
    keys: tuple[dict[str, str], ...]


class Metadata(msgspec.Struct, frozen=True):
    issuer: str
    token_endpoint: str
    jwks_uri: str
    response_types_supported: tuple[str, ...]
    grant_types_supported: tuple[str, ...]
    token_endpoint_auth_methods_supported: tuple[str, ...]
    token_endpoint_auth_signing_alg_values_supported: tuple[str, ...]


class TokenRefused(Exception):
    """An error of RFC 6749 section 5.2, whose descriptions are ASCII."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description

    def response(self) -> Response:
        body = msgspec.json.encode(OAuthError(self.error, self.description))
        if self.error != "invalid_client":
            return Response(body, 400, media_type="application/json", headers=UNCACHED)
        headers = {**UNCACHED, "WWW-Authenticate": 'Bearer realm="huchuang"'}
        return Response(body, 401, media_type="application/json", headers=headers)


def _invalid_client() -> TokenRefused:
    """One answer, whatever is wrong: nobody learns from it which clients there are."""
    return TokenRefused("invalid_client", "the client assertion does not hold")


def signing_keys_of(request: Request) -> SigningKeys:
    state = request.app.state
    keys: SigningKeys | None = getattr(state, "signing_keys", None)
    if keys is None:
        keys = state.signing_keys = SigningKeys(state.store.pool, state.store.keyring)
    return keys


@api.post(TOKEN_PATH, operation_id="issueToken", summary="换取访问令牌（private_key_jwt）", openapi_extra=DESCRIBED)
@allow(PUBLIC)
@others_passed_over("RFC 6749, section 3.2: parameters that are not known are ignored")
@gives(Token, headers=("Cache-Control",))
@gives(OAuthError, status=400)
@gives(OAuthError, status=401, headers=("WWW-Authenticate",))
async def token(request: Request) -> Response:
    try:
        form = await _form(request)
        client = await _authenticated(request, form)
        scopes = _granted(form.get("scope"), client.scopes)
    except TokenRefused as refused:
        return refused.response()
    access_token = await _issue(request, str(client.client), scopes)
    answer = Token(access_token, "Bearer", TOKEN_SECONDS, " ".join(scopes))
    return Response(msgspec.json.encode(answer), media_type="application/json", headers=UNCACHED)


async def _form(request: Request) -> dict[str, str]:
    """The parameters of the request; one that is repeated, or that lacks what must be there, is invalid."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise TokenRefused("invalid_request", f"the content type must be {FORM}")
    try:
        pairs = parse_qsl((await request.body()).decode("ascii"), max_num_fields=20, errors="strict")
    except ValueError:
        raise TokenRefused("invalid_request", "the form cannot be read") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise TokenRefused("invalid_request", "a parameter is repeated")
    if "grant_type" not in form:
        raise TokenRefused("invalid_request", "grant_type is missing")
    if form["grant_type"] != GRANT:
        raise TokenRefused("unsupported_grant_type", f"only {GRANT} is supported")
    return form


async def _authenticated(request: Request, form: dict[str, str]) -> Client:
    """The client whose assertion holds and is used for the first time (RFC 7523 section 3)."""
    if "authorization" in request.headers:
        raise _invalid_client()
    if form.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in form:
        raise TokenRefused("invalid_request", "clients authenticate by private_key_jwt")
    said = claimed(form["client_assertion"])
    if said is None or form.get("client_id", said.client) != said.client:
        raise _invalid_client()
    store = store_of(request)
    client = (await store.look(Needs(rows=((CREDENTIALS, said.client),)))).row(CREDENTIALS, said.client, Client)
    key = client.token_key(said.kid) if client is not None else None
    assertion = verified(form["client_assertion"], said, key, _audiences(request))
    if client is None or assertion is None:
        raise _invalid_client()
    expires_at = datetime.fromtimestamp(assertion.expires_at, UTC)
    if not await store.pool.fetchval("select use_assertion($1, $2, $3)", said.client, assertion.jti, expires_at):
        raise _invalid_client()
    return client


def _audiences(request: Request) -> list[str]:
    issuer = request.app.state.settings.authority
    return [issuer, issuer + TOKEN_PATH]


def _granted(asked: str | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes that the token carries: all, or those that were asked for."""
    if asked is None:
        return allowed
    wanted = asked.split(" ")
    if not set(wanted) <= set(allowed):
        raise TokenRefused("invalid_scope", "the client does not hold all of these scopes")
    return tuple(scope for scope in allowed if scope in wanted)


async def _issue(request: Request, client: str, scopes: tuple[str, ...]) -> str:
    settings, now = request.app.state.settings, int(time.time())
    claims: dict[str, Any] = {
        "iss": settings.authority,
        "aud": settings.audience,
        "sub": client,
        "client_id": client,
        "scope": " ".join(scopes),
        "roles": list(scopes),
        "iat": now,
        "exp": now + TOKEN_SECONDS,
        "jti": str(uuid7()),
    }
    key = await signing_keys_of(request).signer()
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid, "typ": "at+jwt"}, claims, key, algorithms=[ALGORITHM])


@api.get(JWKS_PATH, operation_id="getTokenKeys", summary="令牌签名公钥（JWKS）")
@allow(PUBLIC)
@gives(JwkSet, media_type="application/jwk-set+json", headers=("Cache-Control",))
async def jwks(request: Request) -> Response:
    body = msgspec.json.encode(JwkSet(tuple(await signing_keys_of(request).published())))
    return Response(body, media_type="application/jwk-set+json", headers={"Cache-Control": "max-age=60"})


@api.get(
    "/.well-known/oauth-authorization-server",
    operation_id="getAuthorizationServer",
    summary="授权服务元数据（RFC 8414）",
)
@allow(PUBLIC)
@gives(Metadata, headers=("Cache-Control",))
async def metadata(request: Request) -> Response:
    issuer = request.app.state.settings.authority
    body = Metadata(
        issuer=issuer,
        token_endpoint=issuer + TOKEN_PATH,
        jwks_uri=issuer + JWKS_PATH,
        response_types_supported=(),
        grant_types_supported=(GRANT,),
        token_endpoint_auth_methods_supported=("private_key_jwt",),
        token_endpoint_auth_signing_alg_values_supported=tuple(ALGORITHMS),
    )
    return Response(msgspec.json.encode(body), media_type="application/json", headers={"Cache-Control": "max-age=300"})


@api.post(
    "/v1/signing-keys:rotate",
    status_code=201,
    summary="更换令牌签名密钥",
    description=DESCRIPTION,
    openapi_extra=OPTIONAL,
)
@allow("ops")
@gives(Published, refuses=(409,))
async def rotate(request: Request, body: Rotation | None = None) -> Response:
    asked, keys = (body or Rotation()).checked(), signing_keys_of(request)
    caller = caller_of(request)
    if not asked.at_once and await keys.in_progress():
        raise Problem(409, "rotation_in_progress", "上一次更换的新密钥尚未启用，请稍后再试")
    withdrawn = tuple(key["kid"] for key in await keys.published()) if asked.at_once else ()
    order = KeyRotationOrdered(caller.person, asked.reason, withdrawn)

    def handle(work: Work) -> Answer:
        work.append(KEY_ROTATION, new_id(KEY_ROTATION.prefix, uuid7()), [order])
        return Answer(204, b"")

    await store_of(request).carry_out(Needs(), handle, new_context(caller.actor()))
    await (keys.withdraw() if asked.at_once else keys.rotate())
    published = tuple(key["kid"] for key in await keys.published())
    return Response(msgspec.json.encode(Published(published)), 201, media_type="application/json")

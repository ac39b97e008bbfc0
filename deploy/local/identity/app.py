"""The provider's five addresses: what it offers, where people choose who they are, tokens for codes, keys, the exit."""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from jinja2 import Environment, FileSystemLoader, select_autoescape
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from deploy.local.identity.codes import Codes, Grant
from deploy.local.settings import AUDIENCE, SignIn
from deploy.local.tokens import ALGORITHM, PERSONS, SandboxIssuer, identity
from shared.values.districts import District
from shared.web.step_up import ACR

TOKEN_SECONDS = 3600
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
ASKED = (
    *("response_type", "client_id", "redirect_uri", "scope", "state"),
    *("nonce", "code_challenge", "code_challenge_method"),
)
UNCACHED = {"Cache-Control": "no-store"}
PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape(default=True)
)
TITLES = {
    "city": "市级经办",
    "finance/maker": "财务制单",
    "finance/releaser": "财务放行",
    "policy": "政策起草",
    "policy/approver": "政策批准",
    "auditor": "审计员",
    "ops": "运维",
}


def title(person: str) -> str:
    """What a person of the sandbox is, in Chinese."""
    if person in TITLES:
        return TITLES[person]
    district, _, part = person.removeprefix("district:").partition("/")
    return f"{District(district).zh}{'审核人' if part == 'reviewer' else '批准人'}"


class Provider:
    """Signs anybody in as anybody: its people are made up, and it listens on loopback only."""

    def __init__(self, settings: SignIn, issuer: SandboxIssuer) -> None:
        self._settings = settings
        self._issuer = issuer
        self._codes = Codes()
        self._redirect_uri = f"{settings.console}/console/signed-in"
        self._signed_out_uri = f"{settings.console}/console"

    async def configuration(self, _: Request) -> Response:
        name = self._settings.provider
        return JSONResponse(
            {
                "issuer": name,
                "authorization_endpoint": f"{name}/authorize",
                "token_endpoint": f"{name}/token",
                "jwks_uri": f"{name}/jwks",
                "end_session_endpoint": f"{name}/end-session",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
                "scopes_supported": ["openid"],
                "acr_values_supported": [ACR],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def keys(self, _: Request) -> Response:
        return JSONResponse(self._issuer.public_keys)

    async def choose(self, request: Request) -> Response:
        """The page that offers the sandbox's people."""
        asked = {name: request.query_params.get(name, "") for name in ASKED}
        if (wrong := self._wrong(asked)) is not None:
            return wrong
        groups = {
            "市级": [(name, title(name)) for name in PERSONS if not name.startswith("district:")],
            "各区": [(name, title(name)) for name in PERSONS if name.startswith("district:")],
        }
        page = PAGES.get_template("choose.html").render(asked=asked, groups=groups)
        return HTMLResponse(page, headers=self._page_headers())

    async def chosen(self, request: Request) -> Response:
        """Back to the client with a code for the chosen person."""
        form = dict(parse_qsl((await request.body()).decode()))
        asked = {name: form.get(name, "") for name in ASKED}
        if (wrong := self._wrong(asked)) is not None:
            return wrong
        if form.get("person") not in PERSONS:
            return self._back(asked, error="access_denied")
        grant = Grant(
            form["person"],
            asked["client_id"],
            asked["redirect_uri"],
            asked["code_challenge"],
            asked["nonce"] or None,
            int(time.time()),
        )
        return self._back(asked, code=self._codes.issue(grant))

    async def token(self, request: Request) -> Response:
        """Tokens for a code and its verifier (RFC 6749 4.1.3, RFC 7636 4.5)."""
        form = dict(parse_qsl((await request.body()).decode()))
        if form.get("grant_type") != "authorization_code":
            return _refused("unsupported_grant_type")
        names = ("code", "client_id", "redirect_uri", "code_verifier")
        if not all(form.get(name) for name in names):
            return _refused("invalid_request")
        grant = self._codes.redeem(*(form[name] for name in names))
        return _refused("invalid_grant") if grant is None else self._granted(grant)

    async def end_session(self, request: Request) -> Response:
        """Who signs out is sent back where the client has said (OpenID Connect RP-Initiated Logout sections 2 and 3).

        There is no session to end: this provider asks everybody each time. An expired hint is as good as another.
        """
        asked = dict(request.query_params) if request.method == "GET" else dict(parse_qsl(await _text(request)))
        client_id = self._hinted(asked.get("id_token_hint", ""))
        known = client_id == self._settings.client_id == asked.get("client_id", client_id)
        if not known or asked.get("post_logout_redirect_uri") != self._signed_out_uri:
            page = PAGES.get_template("stranger.html").render()
            return HTMLResponse(page, 400, headers=self._page_headers())
        query = f"?{urlencode({'state': asked['state']})}" if "state" in asked else ""
        return RedirectResponse(self._signed_out_uri + query, 303, headers=UNCACHED)

    def _hinted(self, id_token: str) -> str | None:
        """Whom an ID token of ours was for."""
        try:
            keys = KeySet.import_key_set(cast(Any, self._issuer.public_keys))
            claims = jwt.decode(id_token, keys, algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError):
            return None
        return str(claims.get("aud")) if claims.get("iss") == self._settings.provider else None

    def _granted(self, grant: Grant) -> Response:
        now = int(time.time())
        person = identity(grant.person)
        claims: dict[str, Any] = {
            "iss": self._settings.provider,
            "sub": person["sub"],
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "acr": ACR,
            "auth_time": grant.auth_time,
        }
        access = {"aud": AUDIENCE, "client_id": grant.client_id, "roles": person["roles"], "jti": str(uuid4())}
        about = {"aud": grant.client_id, "azp": grant.client_id, "nonce": grant.nonce, "name": title(grant.person)}
        body = {
            "access_token": self._issuer.signed({**claims, **access}, "at+jwt"),
            "id_token": self._issuer.signed({**claims, **{k: v for k, v in about.items() if v is not None}}),
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": "openid",
        }
        return JSONResponse(body, headers=UNCACHED)

    def _wrong(self, asked: Mapping[str, str]) -> Response | None:
        """What is wrong with a request; to a client that we do not know nobody is ever sent."""
        if (asked["client_id"], asked["redirect_uri"]) != (self._settings.client_id, self._redirect_uri):
            page = PAGES.get_template("stranger.html").render()
            return HTMLResponse(page, 400, headers=self._page_headers())
        if asked["response_type"] != "code":
            return self._back(asked, error="unsupported_response_type")
        if "openid" not in asked["scope"].split():
            return self._back(asked, error="invalid_scope")
        if asked["code_challenge_method"] != "S256" or not CHALLENGE.fullmatch(asked["code_challenge"]):
            return self._back(asked, error="invalid_request")
        return None

    def _back(self, asked: Mapping[str, str], **answer: str) -> Response:
        """RFC 9207 names the issuer."""
        query = {**answer, "state": asked["state"], "iss": self._settings.provider}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(query)}", 303, headers=UNCACHED)

    def _page_headers(self) -> dict[str, str]:
        policy = f"default-src 'none'; style-src 'unsafe-inline'; form-action 'self' {self._settings.console}"
        return {**UNCACHED, "Content-Security-Policy": f"{policy}; base-uri 'none'; frame-ancestors 'none'"}


async def _text(request: Request) -> str:
    return (await request.body()).decode()


def _refused(error: str) -> Response:
    return JSONResponse({"error": error}, 400, headers=UNCACHED)


def provider_of(settings: SignIn, issuer: SandboxIssuer) -> Starlette:
    """The provider as an ASGI application."""
    provider = Provider(settings, issuer)
    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", provider.configuration),
            Route("/jwks", provider.keys),
            Route("/authorize", provider.choose, methods=["GET"]),
            Route("/authorize", provider.chosen, methods=["POST"]),
            Route("/token", provider.token, methods=["POST"]),
            Route("/end-session", provider.end_session, methods=["GET", "POST"]),
        ]
    )

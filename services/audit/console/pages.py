"""`/console`: services, lag, claims by state, latest events, and any claim's timeline with what proves it."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, select_autoescape

from services.audit.archive.history import History, Located, from_archive
from services.audit.archive.proofs import prove
from services.audit.archive.timeline import HOLDS, SERVICES, line
from services.audit.console.sign_in import SECONDS, SIGNED_OUT, SignInFailed, Signing
from services.audit.intake.claims import differences
from shared.eventstore.record import parse
from shared.values.clocks import SHANGHAI
from shared.values.districts import District
from shared.web.caller import PUBLIC, Caller, allow
from shared.web.command import store_of
from shared.web.peers import PeerUnavailable
from shared.web.problem import Problem
from shared.web.query import others_passed_over
from shared.web.routes import GuardedRoute

log = structlog.get_logger(__name__)

api = APIRouter(tags=["控制台"], route_class=GuardedRoute, include_in_schema=False)

OF_LINKS = "a page: messengers add parameters of their own to links"

PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(default=True),
    trim_blocks=True,
    lstrip_blocks=True,
)
COOKIE = "huchuang_console"
SIGN_IN_COOKIE = "huchuang_sign_in"
ID_COOKIE = "huchuang_id"
MOST_ID = 3500
"""A longer ID token would not fit into a cookie; its person signs out here only."""
READERS = ("auditor", "city", "ops")
LATEST = 25
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
SECURITY = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
LEAVING = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

SOURCES = {"certificate": "证书", "organisation": "组织登记", "person": "实名登记", "claim": "本申请"}
STATUSES = {
    "submitted": "待审核",
    "correction_requested": "待补正",
    "under_review": "待批准",
    "approved": "已批准",
    "in_public_notice": "公示中",
    "payable": "待发放",
    "payment_ordered": "发放中",
    "payment_unknown": "发放待核",
    "payment_returned": "已退票",
    "paid": "已发放",
    "rejected": "不予批准",
    "withdrawn": "已撤回",
    "recovering": "追回中",
    "recovered": "已追回",
}


def _page(name: str, http_status: int = 200, /, *, leaves_to: str | None = None, **values: Any) -> Response:
    """`leaves_to`: the one other origin that the page's forms may end at."""
    policy = POLICY if leaves_to is None else f"{POLICY} {leaves_to}"
    headers = {**SECURITY, "Content-Security-Policy": policy}
    return HTMLResponse(PAGES.get_template(name).render(**values), http_status, headers=headers)


async def _leaves_to(request: Request) -> str | None:
    """Where signing out ends, if not here."""
    if request.app.state.settings.sign_in is None:
        return None
    return await _signing(request).sign_out_origin()


async def _signed_in(request: Request) -> bool:
    """A console session is the person's access token in a cookie that scripts cannot read."""
    token = request.cookies.get(COOKIE)
    if token is None:
        return False
    try:
        caller = await request.app.state.verifier.verified(token)
    except Problem:
        return False
    return _may_look(caller)


def _may_look(caller: Caller) -> bool:
    return caller.user is not None and any(caller.holds(role) for role in READERS)


def _signing(request: Request) -> Signing:
    state = request.app.state
    signing: Signing | None = getattr(state, "console_signing", None)
    if signing is None:
        signing = state.console_signing = Signing(state.settings, state.store.keyring)
    return signing


@api.get("/console/sign-in", summary="前往统一身份认证登录")
@allow(PUBLIC)
async def sign_in(request: Request) -> Response:
    signing = _signing(request)
    address, kept = await signing.begin()
    response = RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})
    _set_cookie(response, SIGN_IN_COOKIE, kept, SECONDS, secure=signing.secure)
    return response


@api.get("/console/signed-in", summary="从统一身份认证返回")
@allow(PUBLIC)
@others_passed_over("a client ignores what the provider adds: RFC 6749, section 4.1.2")
async def signed_in(request: Request) -> Response:
    signing = _signing(request)
    try:
        told = await signing.finish(request.query_params, request.cookies.get(SIGN_IN_COOKIE))
        caller = await request.app.state.verifier.verified(told.access_token)
    except (SignInFailed, Problem) as failed:
        if isinstance(failed, Problem) and failed.status == 503:
            raise
        log.warning("sign_in_failed", reason=str(failed))
        return _without_sign_in(_page("failed.html", 400, reason="登录没有完成，请重新登录。"))
    if caller.user != told.subject or not _may_look(caller):
        return _without_sign_in(_page("failed.html", 403, reason="您的身份没有查看控制台的权限。"))
    response = RedirectResponse("/console", status_code=303, headers={"Cache-Control": "no-store"})
    seconds = int(caller.expires_at - time.time())
    _set_cookie(response, COOKIE, told.access_token, seconds, secure=signing.secure)
    if len(told.id_token) <= MOST_ID:
        _set_cookie(response, ID_COOKIE, told.id_token, seconds, secure=signing.secure)
    return _without_sign_in(response)


@api.post("/console/sign-out", summary="退出控制台")
@allow(PUBLIC)
async def sign_out(request: Request) -> Response:
    """Here first, whatever becomes of it there; then at the provider, where the browser may still be signed in.

    A form of another site brings no cookies (`Lax`), so nobody is signed out there by a stranger.
    """
    response = RedirectResponse(await _signed_out_at(request) or SIGNED_OUT, 303, headers=LEAVING)
    for name in (COOKIE, ID_COOKIE):
        response.delete_cookie(name, path="/console", httponly=True, samesite="lax")
    return response


async def _signed_out_at(request: Request) -> str | None:
    id_token = request.cookies.get(ID_COOKIE)
    if id_token is None or request.app.state.settings.sign_in is None:
        return None
    try:
        return await _signing(request).sign_out(id_token)
    except Problem as away:
        log.warning("sign_out_stays_here", reason=away.code)
        return None


def _set_cookie(response: Response, name: str, value: str, seconds: int, *, secure: bool) -> None:
    """`Lax`, because a browser that comes back from the provider would not send a strict one."""
    response.set_cookie(name, value, seconds, path="/console", httponly=True, samesite="lax", secure=secure)


def _without_sign_in(response: Response) -> Response:
    """What was kept for the provider's answer is good for one answer."""
    response.delete_cookie(SIGN_IN_COOKIE, path="/console", httponly=True, samesite="lax")
    return response


@api.get("/console", summary="控制台")
@allow(PUBLIC)
@others_passed_over(OF_LINKS)
async def overview(request: Request, claim: str | None = None) -> Response:
    if not await _signed_in(request):
        settings = request.app.state.settings
        return _page("enter.html", sandbox=settings.profile == "local", ready=settings.sign_in is not None)
    if claim:
        return RedirectResponse(f"/console/claims/{claim.strip()}", status_code=303)
    pool = store_of(request).pool
    services = [await _service(request, name) for name in request.app.state.settings.services]
    heads = {service["name"]: service.get("head", 0) for service in services}
    for service in services:
        applied = service.get("applied", {})
        service["lag"] = sum(max(0, heads.get(source, 0) - applied.get(source, 0)) for source in service["sources"])
    counts = await pool.fetch("select status, count(*) as n from claim_view group by status")
    rows = await pool.fetch("select source, position, record from archive order by seq desc limit $1", LATEST)
    claims = await pool.fetch(
        "select v.claim_id, v.status, v.district from claim_view v order by v.claim_id desc limit $1", LATEST
    )
    order = list(STATUSES)
    return _page(
        "overview.html",
        leaves_to=await _leaves_to(request),
        services=services,
        counts=sorted(((row["status"], row["n"]) for row in counts), key=lambda pair: order.index(pair[0])),
        total=sum(row["n"] for row in counts),
        latest=[line(Located(row["source"], row["position"], parse(row["record"]))) for row in rows],
        claims=[(row["claim_id"], row["status"], District(row["district"]).zh) for row in claims],
        statuses=STATUSES,
        clock=(await store_of(request).now()).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M"),
    )


async def _service(request: Request, name: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": name, "title": SERVICES[name], "alive": False, "sources": []}
    try:
        progress = await request.app.state.peers.get(name, "/v1/progress")
    except PeerUnavailable:
        return shown
    return {**shown, **(progress or {}), "alive": progress is not None}


class Proof(NamedTuple):
    """What proves a history, by the services' titles: the size of each one's signed head; for each record, by its
    position, that size and how many steps lead from it to the head; and what does not hold."""

    heads: dict[str, int]
    steps: dict[tuple[str, int], tuple[int, int]]
    findings: list[str]


async def _proof(request: Request, found: History) -> Proof | None:
    """The history held against the services' signed heads, or None when one of them does not answer."""
    try:
        logs = await prove(request.app.state.peers, found)
    except PeerUnavailable:
        return None
    proof = Proof({}, {}, [])
    for log in logs:
        if log.evidence is None:
            continue
        title, size = SERVICES[log.service], log.evidence.head.head.tree_size
        verified = log.verify(found)
        proof.heads[title] = size
        proof.steps.update({(title, position): (size, count) for position, count in verified.steps.items()})
        proof.findings.extend(f"{title}：{finding}" for finding in verified.findings)
    return proof


@api.get("/console/claims/{claim_id}", summary="一个申请的时间线")
@allow(PUBLIC)
@others_passed_over(OF_LINKS)
async def timeline(request: Request, claim_id: str) -> Response:
    if not await _signed_in(request):
        return RedirectResponse("/console", status_code=303)
    found = await from_archive(store_of(request).pool, claim_id)
    if found is None:
        return _page("missing.html", 404, leaves_to=await _leaves_to(request))
    peers = request.app.state.peers
    try:
        shown = await peers.get("subsidy", f"/v1/claims/{claim_id}")
        screening = await peers.get("subsidy", f"/v1/claims/{claim_id}/screening")
        findings = ["补贴服务没有这个申请"] if shown is None else differences(found.claim, shown)
    except PeerUnavailable:
        screening, findings = None, ["补贴服务暂时不可用，无法比对"]
    return _page(
        "claim.html",
        leaves_to=await _leaves_to(request),
        claim=found.claim,
        lines=[line(item) for item in found.items],
        findings=findings,
        proof=await _proof(request, found),
        screening=screening,
        status=STATUSES.get(found.claim.status, found.claim.status),
        holds=[HOLDS.get(hold, hold) for hold in found.claim.holds],
        district=District(found.claim.district).zh,
        sources=SOURCES,
    )

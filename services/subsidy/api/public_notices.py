"""`/notices`: the public page. It shows a notice's declared, masked fields while its period lasts, nothing else.

(B-18; 个人信息保护法 art. 47: a line is gone when its claim is, and the page when its period ends)
"""

from collections.abc import Sequence
from datetime import date
from html import escape
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from services.subsidy.domain.notice import NOTICE, Entry
from shared.eventstore.listing import read_page
from shared.eventstore.needs import Needs
from shared.eventstore.store import Store
from shared.values.calendar import shanghai_date
from shared.values.districts import District
from shared.values.money import format_money
from shared.values.personal import Sealed
from shared.web.answers import gives
from shared.web.caller import PUBLIC, allow
from shared.web.command import store_of
from shared.web.query import others_passed_over
from shared.web.routes import GuardedRoute

api = APIRouter(tags=["公示"], route_class=GuardedRoute)

PAGE = 20
"""Notices on a page; each has 200 lines at most."""


class PublicEntry(msgspec.Struct, frozen=True):
    name: str
    masked_identity_number: str
    amount: str


class PublicNotice(msgspec.Struct, frozen=True):
    id: str
    title: str
    district: str
    published_on: date
    last_day: date
    entries: tuple[PublicEntry, ...]


class PublicNotices(msgspec.Struct, frozen=True):
    """A page of them; `next` is the `cursor` of the one that follows."""

    items: tuple[PublicNotice, ...]
    next: str | None


DistrictQuery = Annotated[str | None, Query(pattern=r"^310[0-9]{3}$")]
CursorQuery = Annotated[str | None, Query(pattern=r"^ntc_[0-9a-f-]{36}$")]


@api.get("/notices", summary="公示（面向公众，网页或 ?format=json）", operation_id="listPublicNotices")
@allow(PUBLIC)
@others_passed_over("a page: messengers add parameters of their own to links")
@gives(PublicNotices, headers=("Cache-Control",))
@gives(str, media_type="text/html", headers=("Cache-Control", "Content-Security-Policy"))
async def public_notices(
    request: Request,
    format: Literal["html", "json"] = "html",
    district: DistrictQuery = None,
    cursor: CursorQuery = None,
) -> Response:
    """The notices that are up today (Asia/Shanghai), the newest first, of one district or of all."""
    notices = await _up_today(store_of(request), district, cursor)
    if format == "json":
        return Response(msgspec.json.encode(notices), media_type="application/json", headers=UNCACHED)
    return HTMLResponse(_page(notices, district), headers=HEADERS)


# -- what is up today -------------------------------------------------------------------------------------------------


async def _up_today(store: Store, district: str | None, cursor: str | None) -> PublicNotices:
    facets = ["status:published"] + ([] if district is None else [f"district:{district}"])
    listed = await read_page(store.pool, "notice", facets, cursor, PAGE, newest_first=True)
    ids = tuple(msgspec.json.decode(item)["id"] for item in listed.items)
    work = await store.look(Needs(streams=ids))
    today = shanghai_date(work.now)
    found = []
    for id in ids:
        notice = work.state(NOTICE, id)
        if notice.published_on is not None and notice.last_day is not None and notice.last_day >= today:
            lines = await _open_lines(store, notice.entries, work.history(id)[0].id)
            name = District(notice.district).zh
            found.append(PublicNotice(id, notice.title, name, notice.published_on, notice.last_day, lines))
    return PublicNotices(tuple(found), listed.next)


async def _open_lines(store: Store, entries: Sequence[Entry], drafted: UUID) -> tuple[PublicEntry, ...]:
    """The lines as the public sees them; `drafted` is the event that sealed them."""
    sealed = [(drafted, value) for entry in entries for value in _sealed(entry)]
    opened = [str(value) for value in await store.disclose(sealed)]
    return tuple(
        PublicEntry(opened[2 * n], opened[2 * n + 1], format_money(entry.amount)) for n, entry in enumerate(entries)
    )


def _sealed(entry: Entry) -> tuple[Sealed[str], Sealed[str]]:
    assert isinstance(entry.name, Sealed)
    assert isinstance(entry.masked_identity_number, Sealed)
    return entry.name, entry.masked_identity_number


# -- the page ---------------------------------------------------------------------------------------------------------

UNCACHED = {"Cache-Control": "no-store"}
HEADERS = {
    **UNCACHED,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'",
}
STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#68717d;--ink:#1b2733;--paper:#fff;--accent:#9b1c1c;
font:16px/1.7 system-ui,"PingFang SC","Noto Sans CJK SC","Noto Sans SC",sans-serif}
@media(prefers-color-scheme:dark){:root{--soft:#a3adb8;--ink:#e8edf2;--paper:#14181d;--accent:#ff9b8f}}
body{max-width:50rem;margin:0 auto;padding:1.5rem 1rem 4rem;color:var(--ink);background:var(--paper)}
header{border-bottom:3px solid var(--accent);margin-bottom:1rem}h1{font-size:1.5rem;margin:.2rem 0}
h2{font-size:1.15rem;margin:2.2rem 0 .2rem}a{color:inherit}
nav{display:flex;flex-wrap:wrap;gap:.3rem .9rem;font-size:.92rem;margin:1rem 0}
nav a[aria-current]{color:var(--accent);font-weight:600;text-decoration:none}
table{border-collapse:collapse;width:100%;table-layout:fixed}th:first-child{width:36%}th:last-child{width:24%}th{font-weight:600;color:var(--soft);font-size:.9rem}
th,td{text-align:left;padding:.5rem .4rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
td:last-child,th:last-child{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
td:nth-child(2){font-variant-numeric:tabular-nums;white-space:nowrap}.period,.empty,footer{color:var(--soft)}
.period{margin:.2rem 0 .6rem}footer{margin-top:3rem;font-size:.9rem}
@media(max-width:30rem){:root{font-size:15px}th,td{padding:.45rem .2rem}td:nth-child(2){font-size:.85rem}}
@media print{nav{display:none}}
"""


def _page(notices: PublicNotices, district: str | None) -> str:
    sections = "".join(map(_section, notices.items)) or "<p class=empty>目前没有正在公示的名单。</p>"
    return f"""<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex,noarchive">
<title>补贴拟发放名单公示</title><style>{STYLE}</style></head><body>
<header><h1>补贴拟发放名单公示</h1></header><main>
<p>根据沪人社规〔2023〕7号等规定，现将拟发放补贴人员名单予以公示。对名单有异议的，请在公示期内向公示所在区就业促进中心实名提出，\
并说明理由、提供依据；收到后该笔申请暂缓发放，经核实作出处理。</p>
{_navigation(district)}{sections}{_following(notices.next, district)}</main>
<footer>证件号码已隐去出生日期。公示期满，名单即行撤下。</footer></body></html>"""


def _navigation(chosen: str | None) -> str:
    def link(code: str | None, name: str) -> str:
        current = " aria-current=page" if code == chosen else ""
        return f'<a href="/notices{"" if code is None else f"?district={code}"}"{current}>{name}</a>'

    links = [link(None, "全市"), *(link(district.value, district.zh) for district in District)]
    return f"<nav aria-label=按区查看>{''.join(links)}</nav>"


def _following(cursor: str | None, district: str | None) -> str:
    if cursor is None:
        return ""
    chosen = "" if district is None else f"&amp;district={district}"
    return f'<p><a href="/notices?cursor={cursor}{chosen}">更早的公示</a></p>'


def _section(notice: PublicNotice) -> str:
    rows = "".join(
        f"<tr><td>{escape(entry.name)}<td>{escape(entry.masked_identity_number)}<td>{entry.amount} 元</tr>"
        for entry in notice.entries
    )
    return (
        f'<section id="{escape(notice.id)}"><h2>{escape(notice.title)}</h2>'
        f"<p class=period>公示期：{notice.published_on.isoformat()} 至 {notice.last_day.isoformat()}，"
        f"共 {len(notice.entries)} 人</p>"
        "<table><thead><tr><th scope=col>姓名<th scope=col>证件号码<th scope=col>金额</tr></thead>"
        f"<tbody>{rows}</tbody></table></section>"
    )

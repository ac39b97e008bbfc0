"""`/notices`: the public page. It shows a notice's declared, masked fields while its period lasts, nothing else."""

from datetime import date
from html import escape

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from services.subsidy.domain.notice import NOTICE, Entry, Notice
from shared.eventstore.listing import read_page
from shared.eventstore.needs import Needs
from shared.values.calendar import shanghai_date
from shared.values.districts import District
from shared.values.money import format_money
from shared.values.personal import Sealed
from shared.web.answers import gives
from shared.web.caller import PUBLIC, allow
from shared.web.command import store_of
from shared.web.routes import GuardedRoute

api = APIRouter(tags=["公示"], route_class=GuardedRoute)

MOST_NOTICES = 100


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
    items: tuple[PublicNotice, ...]


@api.get("/notices", summary="公示（面向公众，网页或 ?format=json）", operation_id="listPublicNotices")
@allow(PUBLIC)
@gives(PublicNotices)
@gives(str, media_type="text/html", headers=("Cache-Control",))
async def public_notices(request: Request, format: str = "html") -> Response:
    notices = await _open_notices(request)
    if format == "json":
        return Response(msgspec.json.encode(PublicNotices(tuple(notices))), media_type="application/json")
    return HTMLResponse(_page(notices), headers={"Cache-Control": "no-store"})


async def _open_notices(request: Request) -> list[PublicNotice]:
    store = store_of(request)
    listed = await read_page(store.pool, "notice", ["status:published"], None, MOST_NOTICES, newest_first=True)
    ids = tuple(msgspec.json.decode(item)["id"] for item in listed.items)
    work = await store.look(Needs(streams=ids))
    today = shanghai_date(work.now)
    found = []
    for id in ids:
        notice = work.state(NOTICE, id)
        if notice.published_on is not None and notice.last_day is not None and notice.last_day >= today:
            drafted = work.history(id)[0]
            found.append(await _public(request, id, notice, notice.published_on, notice.last_day, drafted.id))
    return found


async def _public(
    request: Request, id: str, notice: Notice, published_on: date, last_day: date, drafted: object
) -> PublicNotice:
    sealed = [value for entry in notice.entries for value in _sealed(entry)]
    opened = [str(value) for value in await store_of(request).disclose([(drafted, value) for value in sealed])]  # type: ignore[misc]
    entries = tuple(
        PublicEntry(opened[2 * n], opened[2 * n + 1], format_money(entry.amount))
        for n, entry in enumerate(notice.entries)
    )
    return PublicNotice(id, notice.title, District(notice.district).zh, published_on, last_day, entries)


def _sealed(entry: Entry) -> tuple[Sealed[str], Sealed[str]]:
    assert isinstance(entry.name, Sealed)
    assert isinstance(entry.masked_identity_number, Sealed)
    return entry.name, entry.masked_identity_number


def _page(notices: list[PublicNotice]) -> str:
    sections = "".join(_section(notice) for notice in notices) or "<p class=empty>目前没有正在公示的名单。</p>"
    return f"""<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>培训费补贴公示</title><style>
:root{{color-scheme:light dark;font:16px/1.7 system-ui,"PingFang SC","Noto Sans CJK SC",sans-serif}}
body{{max-width:46rem;margin:0 auto;padding:1.5rem 1rem 4rem}}
h1{{font-size:1.5rem}}h2{{font-size:1.1rem;margin:2rem 0 .2rem}}
table{{border-collapse:collapse;width:100%}}th,td{{text-align:left;padding:.45rem .5rem;border-bottom:1px solid #8883}}
td:last-child,th:last-child{{text-align:right;font-variant-numeric:tabular-nums}}
td:nth-child(2){{font-variant-numeric:tabular-nums}}.period,.empty{{color:#777;margin:.2rem 0 .8rem}}
</style></head><body><h1>初创期培训费补贴公示</h1>
<p>根据沪人社规〔2023〕7号，现将拟发放补贴人员名单予以公示。对名单有异议的，请在公示期内向所在区就业促进中心提出。</p>
{sections}</body></html>"""


def _section(notice: PublicNotice) -> str:
    rows = "".join(
        f"<tr><td>{escape(entry.name)}<td>{escape(entry.masked_identity_number)}<td>{entry.amount} 元</tr>"
        for entry in notice.entries
    )
    return (
        f"<section><h2>{escape(notice.title)}</h2>"
        f"<p class=period>公示期：{notice.published_on.isoformat()} 至 {notice.last_day.isoformat()}</p>"
        f"<table><thead><tr><th>姓名<th>证件号码<th>金额</tr></thead><tbody>{rows}</tbody></table></section>"
    )

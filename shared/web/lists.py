"""Lists: cursor paging with `Link`, consistency tokens, the same for every resource."""

import base64
import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

import msgspec
from fastapi import Request
from fastapi.responses import Response

from shared.eventstore.listing import caught_up, read_page
from shared.web.problem import Problem

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
PATIENCE = 5.0


async def page(request: Request, kind: str, facets: Sequence[str], *, newest_first: bool = False) -> Response:
    """`{"items": […], "next": cursor|null}`.

    Query: `limit` (1 to 200), `cursor`. A `Consistency-Token` header makes the list wait for what it stands for.
    """
    limit = limit_of(request.query_params.get("limit"))
    after = cursor_of(request.query_params.get("cursor"))
    token = request.headers.get("consistency-token")
    state = request.app.state
    if token is not None and not await caught_up(state.store.pool, token, PATIENCE):
        raise Problem(503, "not_caught_up", "列表尚未更新到所求的版本，请稍后重试", headers={"Retry-After": "1"})
    found = await read_page(state.store.pool, kind, facets, after, limit, newest_first=newest_first)
    return paged(request, found.items, cursor_for(found.next))


def paged(request: Request, items: Iterable[bytes], following: str | None) -> Response:
    """A page of items (JSON), with the cursor of the one that follows, in the body and as a `Link` (RFC 8288)."""
    cursor = b"null" if following is None else msgspec.json.encode(following)
    body = b'{"items":[' + b",".join(items) + b'],"next":' + cursor + b"}"
    headers = {}
    if following is not None:
        query = urlencode([*_others(request), ("cursor", following)])
        headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
    return Response(body, media_type="application/json", headers=headers)


def cursor_for(place: str | None) -> str | None:
    """The cursor of the page behind a place."""
    return None if place is None else base64.urlsafe_b64encode(place.encode()).decode()


def _others(request: Request) -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]


def limit_of(text: str | None) -> int:
    """How many items a page has. Raises a 400."""
    if text is None:
        return DEFAULT_LIMIT
    if not re.fullmatch("[1-9][0-9]{0,2}", text) or int(text) > MAX_LIMIT:
        raise Problem(400, "limit_invalid", f"limit 须为 1 至 {MAX_LIMIT} 的整数")
    return int(text)


def cursor_of(text: str | None) -> str | None:
    """What a cursor stands for. Raises a 400."""
    if text is None:
        return None
    try:
        return base64.urlsafe_b64decode(text.encode()).decode()
    except ValueError as error:
        raise Problem(400, "cursor_invalid", "cursor 无效，请从第一页重新开始") from error

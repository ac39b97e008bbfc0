"""Query parameters: those that are named, one value each, but for lists."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Query, Request
from fastapi.responses import Response

from shared.telemetry.metrics import Metrics
from shared.web.answers import gives, lists
from shared.web.app import create_app
from shared.web.caller import PUBLIC, allow
from shared.web.query import others_passed_over
from shared.web.routes import router

api = router("测试")


@api.get("/sized", summary="按大小")
@allow(PUBLIC)
@gives(int)
async def sized(size: Annotated[int, Query(ge=1)] = 1) -> Response:
    return Response(str(size))


@api.get("/streams", summary="按流")
@allow(PUBLIC)
@gives(int)
async def streams(stream: Annotated[list[str], Query()]) -> Response:
    return Response(str(len(stream)))


@api.get("/listed", summary="列表")
@allow(PUBLIC)
@lists(int)
async def listed(request: Request) -> Response:
    return Response("[]")


@api.get("/page", summary="网页")
@allow(PUBLIC)
@others_passed_over("links are decorated")
@gives(int)
async def page(size: int = 1) -> Response:
    return Response(str(size))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app("test", "测试", [api], lifespan, Metrics())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as found:
        yield found


@pytest.mark.parametrize(
    "query", ["/sized?size=2&size=3", "/sized?size=x&size=3", "/listed?limit=1&limit=1", "/listed?cursor=&cursor="]
)
async def test_a_parameter_with_one_value_is_refused_when_it_is_repeated(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/v1{query}")
    assert answer.status_code == 422
    name = query.partition("?")[2].partition("=")[0]
    assert answer.json()["errors"] == [
        {"pointer": f"query:/{name}", "code": "repeated", "detail": "同一参数只能给出一次"}
    ]


@pytest.mark.parametrize(
    ("query", "answered"),
    [
        ("/sized?size=2", "2"),
        ("/streams?stream=a&stream=b", "2"),
        ("/listed?limit=1&cursor=", "[]"),
        ("/page?size=3&from=singlemessage&from=again", "3"),
    ],
)
async def test_lists_and_what_a_page_passes_over_may_be_repeated(
    client: httpx.AsyncClient, query: str, answered: str
) -> None:
    answer = await client.get(f"/v1{query}")
    assert (answer.status_code, answer.text) == (200, answered)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("/sized?siz=2", "query:/siz"),
        ("/sized?size=2&other=", "query:/other"),
        ("/listed?limit=1&status=open", "query:/status"),
        ("/streams?stream=a&a/b~c=1", "query:/a~1b~0c"),
        ("/listed?" + "x" * 5000, "query:/" + "x" * 64),
    ],
)
async def test_a_parameter_that_nobody_named_is_refused(client: httpx.AsyncClient, query: str, pointer: str) -> None:
    answer = await client.get(f"/v1{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": pointer, "code": "unknown_parameter", "detail": "没有这个查询参数"}]


def test_passing_parameters_over_needs_a_reason() -> None:
    with pytest.raises(TypeError, match="listed"):
        others_passed_over("")(listed)

"""Asking another service: what it refuses is told from what it cannot answer now."""

from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from shared.eventstore.decider import FieldError
from shared.runtime.settings import Settings
from shared.web.peers import AWAY_SECONDS, PeerRefused, Peers, PeerUnavailable
from shared.web.problem import invalid_field


def peers(status: int, content: bytes, media_type: str) -> Peers:
    """Peers that have a token, and whose every question is answered so."""
    settings = SimpleNamespace(services={"subsidy": "http://subsidy"})
    made = Peers(cast(Settings, settings), "audit")
    made._good_until = float("inf")
    answer = httpx.MockTransport(
        lambda _: httpx.Response(status, content=content, headers={"content-type": media_type})
    )
    made._client = httpx.AsyncClient(transport=answer)
    return made


async def test_a_question_that_is_wrong_is_refused_with_the_reason() -> None:
    problem = invalid_field("query:/stream", "stream", "日志没有这个事件流")
    content = bytes(problem.response("/v1/log/proofs").body)
    with pytest.raises(PeerRefused) as refused:
        await peers(422, content, "application/problem+json").get("subsidy", "/v1/log/proofs?stream=x")
    told = refused.value.problem
    assert (told.status, told.code, told.detail) == (422, problem.code, problem.detail)
    assert told.fields == (FieldError("query:/stream", "stream", "日志没有这个事件流"),)


@pytest.mark.parametrize(("status", "media_type"), [(422, "text/html"), (409, "application/problem+json"), (500, "")])
async def test_any_other_error_is_no_answer(status: int, media_type: str) -> None:
    with pytest.raises(PeerUnavailable) as unavailable:
        await peers(status, b"{}", media_type).get("subsidy", "/v1/log/head")
    assert not isinstance(unavailable.value, PeerRefused)


@pytest.mark.parametrize(("status", "content", "answered"), [(200, b'{"a":1}', {"a": 1}), (404, b"{}", None)])
async def test_an_answer_is_its_json_and_none_for_a_404(status: int, content: bytes, answered: Any) -> None:
    assert await peers(status, content, "application/json").get("subsidy", "/v1/log/head") == answered


async def test_a_token_whose_key_was_withdrawn_is_replaced_and_the_question_asked_again() -> None:
    """Nothing was done of what was answered with 401, so it may be asked again."""
    asked = peers(200, b'{"a":1}', "application/json")
    given = iter(["old", "new"])

    async def token() -> None:
        asked._token, asked._good_until = next(given), float("inf")

    def answer(request: httpx.Request) -> httpx.Response:
        good = request.headers["authorization"] == "Bearer new"
        return httpx.Response(200 if good else 401, content=b'{"a":1}')

    asked._good_until = float("-inf")
    asked._ask_for_token = token  # type: ignore[method-assign]
    asked._client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    assert await asked.get("subsidy", "/v1/log/head") == {"a": 1}


async def test_a_service_that_cannot_be_reached_is_left_alone_for_a_while_and_then_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = peers(200, b'{"a":1}', "application/json")
    now, reached, there = 0.0, 0, False

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal reached
        reached += 1
        if not there:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(200, content=b'{"a":1}')

    monkeypatch.setattr("shared.web.peers.time", SimpleNamespace(monotonic=lambda: now))
    asked._client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    for _ in range(5):
        with pytest.raises(PeerUnavailable):
            await asked.post("subsidy", "/v1/anything", {})
    assert reached == 1
    now, there = AWAY_SECONDS, True
    assert await asked.post("subsidy", "/v1/anything", {}) == {"a": 1}


@pytest.mark.parametrize("content", [b"<html>", b"", b"\xff"])
async def test_an_answer_that_cannot_be_read_is_no_answer(content: bytes) -> None:
    """Somebody between us and the service answered in its place."""
    with pytest.raises(PeerUnavailable):
        await peers(200, content, "text/html").get("subsidy", "/v1/log/head")
    with pytest.raises(PeerUnavailable) as unavailable:
        await peers(422, content, "application/problem+json").get("subsidy", "/v1/log/head")
    assert not isinstance(unavailable.value, PeerRefused)


@pytest.mark.parametrize("content", [b"<html>", b"{}", b'{"access_token":1,"expires_in":60}'])
async def test_a_token_that_cannot_be_read_is_none(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.web.peers.token_request", lambda *_: {})
    settings = SimpleNamespace(services={"registry": "http://registry"}, authority="http://registry")
    asked = Peers(cast(Settings, settings), "audit")
    asked._key = cast(Any, object())
    asked._client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200, content=content)))
    with pytest.raises(PeerUnavailable):
        await asked.get("registry", "/v1/persons")

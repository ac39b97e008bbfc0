"""Step-up: the riskiest decisions need somebody who has signed in surely and just now (RFC 9470)."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response

from services.subsidy.api import notices, payments
from shared.telemetry.metrics import Metrics
from shared.web.app import create_app
from shared.web.caller import Caller, allow
from shared.web.routes import router
from shared.web.step_up import ACR, MAX_AGE, needs_step_up, steps_up

NOW = time.time()


class Sessions:
    """Each token names one of these callers."""

    def verify(self, token: str) -> Caller:
        known: dict[str, Any] = {
            "fresh": {"acr": ACR, "auth_time": time.time()},
            "old": {"acr": ACR, "auth_time": NOW - MAX_AGE - 60},
            "weak": {"acr": "urn:huchuang:acr:1", "auth_time": NOW},
            "no-acr": {"auth_time": NOW},
            "no-time": {"acr": ACR},
            "ready": {"acr": ACR, "auth_time": time.time() + 30 * 86400},
        }
        user = None if token == "system" else "usr_1"
        roles = ("policy",) if token == "other" else ("finance/releaser",)
        return Caller("console", user, roles, time.time() + 3600, **known.get(token, known["fresh"]))


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    api = router("测试")

    @api.post("/release", summary="放行")
    @allow("finance/releaser")
    @steps_up
    async def release(request: Request) -> Response:
        return Response(status_code=204)

    @asynccontextmanager
    async def nothing(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = create_app("test", "测试", [api], nothing, Metrics())
    app.state.verifier = Sessions()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as opened:
        yield opened


async def released(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/v1/release", headers={"authorization": f"Bearer {token}"})


@pytest.mark.parametrize("token", ["fresh", "ready"])
async def test_who_has_just_signed_in_may(client: httpx.AsyncClient, token: str) -> None:
    assert (await released(client, token)).status_code == 204


@pytest.mark.parametrize("token", ["old", "weak", "no-acr", "no-time"])
async def test_everybody_else_is_told_how_to_sign_in(client: httpx.AsyncClient, token: str) -> None:
    answer = await released(client, token)
    assert (answer.status_code, answer.json()["code"]) == (401, "step_up_required")
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert 'error="insufficient_user_authentication"' in challenge
    assert f'acr_values="{ACR}"' in challenge
    assert "max_age=600" in challenge
    assert (answer.json()["acr_values"], answer.json()["max_age"]) == (ACR, 600)


async def test_a_system_and_whoever_lacks_the_role_are_not_asked_to_sign_in_again(client: httpx.AsyncClient) -> None:
    assert [(r.status_code, r.json()["code"]) for r in [await released(client, "system")]] == [(403, "person_required")]
    assert [(r.status_code, r.json()["code"]) for r in [await released(client, "other")]] == [(403, "not_allowed")]


async def test_the_documents_say_so(client: httpx.AsyncClient) -> None:
    operation = (await client.get("/openapi.json")).json()["paths"]["/v1/release"]["post"]
    assert operation["x-step-up"] == {"acr_values": ACR, "max_age": 600}


def test_releasing_money_and_publishing_names_need_it() -> None:
    assert needs_step_up(payments.release)
    assert needs_step_up(notices.publish)

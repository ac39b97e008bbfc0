"""A route that lets banks in says whether they must sign, or does not start."""

import pytest
from fastapi.responses import Response

from shared.web.caller import PUBLIC, allow
from shared.web.routes import router
from shared.web.signing.declared import signed, unsigned
from tests.contract.events.tree import definitions


async def endpoint() -> Response:
    return Response()


@pytest.mark.parametrize("patterns", [("bank:*",), ("city", "bank:*"), ("bank:demo-a",), ("*",), ("b*",)], ids=str)
def test_a_route_for_banks_that_does_not_say_does_not_start(patterns: tuple[str, ...]) -> None:
    async def forgotten() -> Response:
        return Response()

    with pytest.raises(TypeError, match="forgotten lets banks in"):
        router("测试").get("/x")(allow(*patterns)(forgotten))


@pytest.mark.parametrize("patterns", [("city",), (PUBLIC,), ("carrier:*", "district:*/*")], ids=str)
def test_a_route_for_others_need_not_say(patterns: tuple[str, ...]) -> None:
    async def others() -> Response:
        return Response()

    router("测试").get("/x")(allow(*patterns)(others))


def test_what_need_not_be_signed_has_a_reason() -> None:
    with pytest.raises(TypeError, match="why need banks not sign"):
        unsigned("")(endpoint)


def test_it_does_not_matter_which_declaration_stands_first() -> None:
    async def one() -> Response:
        return Response()

    async def two() -> Response:
        return Response()

    api = router("测试")
    api.get("/1")(allow("bank:*")(signed(one)))
    api.get("/2")(signed(allow("bank:*")(two)))
    assert [route.openapi_extra["x-signed"] for route in api.routes] == [["bank:*"]] * 2  # type: ignore[attr-defined]


def test_every_route_of_loans_that_banks_may_call_is_signed() -> None:
    found = {
        route.path: getattr(route.endpoint, "__signed__", None)  # type: ignore[attr-defined]
        for api in definitions()["loans"].routers
        for route in api.routes
        if "bank:*" in route.endpoint.__allowed__  # type: ignore[attr-defined]
    }
    assert {"/v1/whitelist/check", "/v1/whitelist/changes", "/v1/whitelist/entries"} <= found.keys()
    assert all(found.values())

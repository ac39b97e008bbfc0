"""Bad input on every POST of every service, made from the documents that the services themselves hand out."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deploy.local.client import Client
from deploy.local.clock import progress_of, settle
from deploy.local.demo.run import Outcome
from tests.e2e.caller import Caller, Minter
from tests.e2e.operations import (
    Field,
    Operation,
    changed,
    fields,
    is_text,
    objects,
    operations,
    who_may,
    who_may_not,
)

pytestmark = pytest.mark.stack

LEAST = 45
"""How many operations there are at least; fewer would mean that the walk has missed some."""
ANSWERS_ABOUT_STRANGERS = {"/v1/whitelist/check", "/v1/persons:lookup"}
"""Questions whose answer about someone unknown is no."""
IN_BULK = {
    "/v1/claims:review", "/v1/claims:approve", "/v1/claims:review-selection", "/v1/claims:approve-selection"
}  # fmt: skip
"""Each item has a status of its own: `test_bulk.py`, `test_selections.py`."""

LARGE = {"/v1/claims:review-selection", "/v1/claims:approve-selection"}
"""They name up to 100,000 claims, in eight mebibytes."""


class Site:
    """All operations of the stack, and someone who may call each."""

    def __init__(self, call: Caller, mint: Minter, found: list[Operation]) -> None:
        self.call, self.mint = call, mint
        self.operations = found
        self.with_body = [operation for operation in found if operation.schema is not None]
        self._allowed = {str(operation): who_may(operation, call, mint) for operation in found}

    async def send(self, operation: Operation, body: Any, *, url: str | None = None) -> httpx.Response:
        """As someone who may."""
        return await self.call.post(self._allowed[str(operation)], operation.service, url or operation.url(), body)


@pytest.fixture
async def site(demonstrated: Outcome, client: Client, call: Caller, mint: Minter) -> AsyncIterator[Site]:
    """Afterwards nothing may have been written anywhere."""
    before = _written(await settle(client))
    found = await operations(call)
    assert len(found) >= LEAST
    assert {operation.service for operation in found} == set(call.endpoints.services)
    yield Site(call, mint, found)
    await asyncio.sleep(0.3)
    assert _written(await progress_of(client)) == before


def _written(progress: dict[str, dict[str, Any]]) -> dict[str, tuple[int, int, str]]:
    return {name: (item["head"], item["unsequenced"], item["clock"]) for name, item in progress.items()}


def wrong(
    what: object, answer: httpx.Response, *statuses: int, code: str | None = None, pointer: str | None = None
) -> list[str]:
    """What is wrong with an answer that should be a problem document; empty when it is right."""
    said = f"{what}: {answer.status_code} {answer.text[:300]}"
    if answer.status_code not in statuses or answer.headers.get("content-type") != "application/problem+json":
        return [said]
    problem = answer.json()
    right = {"type": f"urn:huchuang:problem:{problem.get('code')}", "status": answer.status_code}
    if any(problem.get(key) != value for key, value in right.items()):
        return [said]
    if not all(isinstance(problem.get(key), str) and problem[key] for key in ("title", "code", "detail")):
        return [said]
    errors = problem.get("errors", [])
    if code is not None and code not in (problem["code"], *(error["code"] for error in errors)):
        return [f"{code} is not said. {said}"]
    if pointer is not None and not any(error["pointer"] == pointer for error in errors):
        return [f"{pointer} is not named. {said}"]
    return []


async def test_without_a_token_nothing_is_done(site: Site) -> None:
    findings = []
    for operation in site.operations:
        answer = await site.call.post(None, operation.service, operation.url(), operation.body())
        findings += wrong(operation, answer, 401, code="token_missing")
        if not answer.headers.get("www-authenticate", "").startswith("Bearer"):
            findings.append(f"{operation}: no WWW-Authenticate")
    assert not findings, "\n".join(findings)


async def test_another_role_is_refused(site: Site) -> None:
    findings = []
    for operation in site.operations:
        role = who_may_not(operation, site.call)
        answer = await site.call.post(role, operation.service, operation.url(), operation.body())
        findings += wrong(operation, answer, 403, code="not_allowed")
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize("text", [b"{", b"", b"\xff\xfe", b'{"a": 1', b"[" * 100_000, b'{"a": NaN'])
async def test_what_is_no_json_is_refused(site: Site, text: bytes) -> None:
    findings = []
    for operation in site.with_body:
        findings += wrong(operation, await site.send(operation, text), 400, 422)
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize("body", [[], "text", 7, None, True, [{}]], ids=repr)
async def test_json_of_another_kind_is_refused(site: Site, body: Any) -> None:
    findings = []
    for operation in site.with_body:
        content = b"null" if body is None else body
        findings += wrong(operation, await site.send(operation, content), 422)
    assert not findings, "\n".join(findings)


async def test_an_unknown_field_is_refused_by_name(site: Site) -> None:
    findings = []
    for operation in site.with_body:
        assert operation.schema is not None
        for where in objects(operation.schema):
            place = (*where, "surprise")
            body = changed(operation.body(), place, 1)
            answer = await site.send(operation, body)
            findings += wrong(f"{operation} {place}", answer, 422)
            if "surprise" not in answer.text:
                findings.append(f"{operation}: {place} is not named: {answer.text[:200]}")
    assert not findings, "\n".join(findings)


async def test_a_missing_field_is_named(site: Site) -> None:
    findings, count = [], 0
    for operation, field in all_fields(site):
        if field.required:
            count += 1
            answer = await site.send(operation, changed(operation.body(), field.where))
            findings += wrong(
                f"{operation} without {field.pointer}", answer, 422, code="missing", pointer=field.pointer
            )
    assert count > 90
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize("value", [1740960000, 1.5, True, {"a": "b"}, ["a"]], ids=repr)
async def test_something_else_than_text_is_refused_by_name(site: Site, value: Any) -> None:
    findings, count = [], 0
    for operation, field in all_fields(site):
        if is_text(field.schema):
            count += 1
            answer = await site.send(operation, changed(operation.body(), field.where, value))
            findings += wrong(f"{operation} {field.pointer}={value!r}", answer, 422, pointer=field.pointer)
    assert count > 90
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize("value", ["1", "true", 1.0, [1]], ids=repr)
async def test_what_only_looks_like_a_number_or_a_yes_is_refused_by_name(site: Site, value: Any) -> None:
    findings, count = [], 0
    for operation, field in all_fields(site):
        if field.schema.get("type") in ("integer", "boolean"):
            count += 1
            answer = await site.send(operation, changed(operation.body(), field.where, value))
            findings += wrong(f"{operation} {field.pointer}={value!r}", answer, 422, pointer=field.pointer)
    assert count > 3
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize("value", ["", " ", "甲\x00乙", "\ud800x"], ids=["empty", "space", "nul", "surrogate"])
async def test_text_that_says_nothing_is_refused(site: Site, value: str) -> None:
    """Fields of free text, such as names and reasons, are the ones that nothing else checks."""
    findings, count = [], 0
    for operation, field in all_fields(site):
        free = field.schema.get("type") == "string" and field.schema.get("minLength") == 1
        if free and "pattern" not in field.schema:
            count += 1
            answer = await site.send(operation, changed(operation.body(), field.where, value))
            findings += wrong(f"{operation} {field.pointer}", answer, 400, 422)
    assert count > 15
    assert not findings, "\n".join(findings)


BAD = {
    "identity_number": ["110105194912310021", "110105194902310027", "130503670401001", "123456789012345678"],
    "credit_code": ["91350100M000100Y44", "91350100M000100Y4", "O1350100M000100Y43"],
    "district": ["310119", "110101", "浦东新区", "31011"],
    "accepting_district": ["310119", "110101", "浦东新区", "31011"],
    "number": ["12345", "41111111111111111111111", "4111-1111"],
    "mobile": ["12345678901", "1380013800", "+1 202 555 0100"],
    "amount": ["1800.001", "-1.00", "1e3", "01.00", "１８００"],
    "area": ["31011", "0310115", "abcdef"],
}


async def test_bad_numbers_are_refused_by_name_and_code(site: Site) -> None:
    findings, seen = [], set()
    for operation, field in all_fields(site):
        name = str(field.where[-1])
        for value in BAD.get(name, ()):
            seen.add(name)
            body = changed(operation.body(), field.where, value)
            answer = await site.send(operation, body)
            findings += wrong(f"{operation} {field.pointer}={value}", answer, 422, pointer=field.pointer)
            told = {key: said for key, said in answer.json().items() if key != "instance"}  # a path, with chance in it
            if value in json.dumps(told, ensure_ascii=False):
                findings.append(f"{operation}: the answer repeats {value}")
            if "errors" in answer.json() and not all(
                error["code"] and error["detail"] for error in answer.json()["errors"]
            ):
                findings.append(f"{operation} {field.pointer}: an error without code or detail")
    assert seen == set(BAD)
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize("value", ["2025-02-30", "2025-3-3", "03/03/2025", "tomorrow", "20250303"])
async def test_a_day_that_is_none_is_refused_by_name(site: Site, value: str) -> None:
    findings, count = [], 0
    for operation, field in all_fields(site):
        if "date" in (field.schema.get("format"), *(item.get("format") for item in field.schema.get("anyOf", ()))):
            count += 1
            answer = await site.send(operation, changed(operation.body(), field.where, value))
            findings += wrong(f"{operation} {field.pointer}={value}", answer, 422, pointer=field.pointer)
    assert count > 10
    assert not findings, "\n".join(findings)


async def test_more_than_a_mebibyte_is_refused(site: Site) -> None:
    findings = []
    for operation in site.with_body:
        mebibytes = 8 if operation.path in LARGE else 1
        large = b'{"filler": "' + b"x" * (mebibytes * 1024 * 1024) + b'"}'
        findings += wrong(operation, await site.send(operation, large), 413, code="too_large")
    assert not findings, "\n".join(findings)


async def test_ids_that_lead_nowhere_are_said_to(site: Site) -> None:
    """Only operations that name something: the others would do what they are asked to."""
    findings, count = [], 0
    for operation in site.operations:
        names_something = "{" in operation.path or any(
            str(field.where[-1]).endswith(("_id", "_ids", "certificate_no")) for field in fields(operation.schema or {})
        )
        if not names_something or operation.path in ANSWERS_ABOUT_STRANGERS | IN_BULK:
            continue
        count += 1
        findings += wrong(operation, await site.send(operation, operation.body()), 404, 422)
    assert count >= 30
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize(
    "id", ["nothing", "clm_x", "per_01900000-0000-7000-8000-00000000000g", "%00", "a%2Fb", "x" * 500]
)
async def test_ids_that_are_none_are_said_to(site: Site, id: str) -> None:
    findings = []
    for operation in site.operations:
        if "{" in operation.path:
            head, _, rest = operation.path.partition("{")
            url = head + id + rest.partition("}")[2]
            url = url.replace("{version}", "none")
            findings += wrong(f"{operation} {id}", await site.send(operation, operation.body(), url=url), 404, 422)
    assert not findings, "\n".join(findings)


QUERIES = ["limit=0", "limit=x", "limit=²", "limit=201", "cursor=*", "cursor=_w==", "status=%00"]


@pytest.mark.parametrize("query", QUERIES)
async def test_a_list_that_is_asked_wrongly_never_breaks(site: Site, query: str) -> None:
    findings, count = [], 0
    for service in site.call.endpoints.services:
        paths = (await site.call.get(None, service, "/openapi.json")).json()["paths"]
        for path, methods in paths.items():
            if path.startswith("/v1/") and "get" in methods and "{" not in path:
                listing = Operation(service, path, tuple(methods["get"]["x-roles"]), None)
                token = None if "public" in listing.roles else who_may(listing, site.call, site.mint)
                answer = await site.call.get(token, service, f"{path}?{query}")
                count += 1
                if answer.status_code >= 500:
                    findings.append(f"{service} GET {path}?{query}: {answer.status_code} {answer.text[:200]}")
    assert count > 20
    assert not findings, "\n".join(findings)


def all_fields(site: Site) -> list[tuple[Operation, Field]]:
    return [(operation, field) for operation in site.with_body for field in fields(operation.schema or {})]

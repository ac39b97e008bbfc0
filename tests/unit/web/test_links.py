"""Links of the API documents: from an answer to what can be called next."""

from typing import Any

import pytest

from shared.web.document import links

Json = dict[str, Any]


def text() -> Json:
    return {"type": "string"}


def shape(**fields: Json) -> Json:
    return {"type": "object", "properties": fields}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def many(items: Json) -> Json:
    return {"type": "array", "items": items}


SCHEMAS = {
    "Claim": shape(id=text(), person_id={"anyOf": [text(), {"type": "null"}]}, state=text()),
    "ClaimPage": shape(items=many(ref("Claim"))),
    "Person": shape(id=text()),
    "Client": shape(id=text(), client_id=text(), keys=many(ref("Key"))),
    "Key": shape(kid=text()),
    "Certificate": shape(id=text(), number=text()),
    "Build": shape(name=text()),
    "Head": shape(head=shape(tree_size={"type": "integer"})),
    "Objection": shape(id=text(), claim_id=text()),
    "Done": shape(done=text()),
}


def linked(*operations: tuple[str, str, str]) -> dict[tuple[str, str], dict[str, str]]:
    """Links by operation and target, of operations told as method and path, status, and what they answer."""
    paths: Json = {}
    for where, status, of in operations:
        method, path = where.split()
        answer = {"description": "成功", "content": {"application/json": {"schema": ref(of)}}}
        paths.setdefault(path, {})[method] = {"operationId": where, "summary": "事", "responses": {status: answer}}
    links.add(paths, SCHEMAS)
    found: dict[tuple[str, str], dict[str, str]] = {}
    for where, status, _ in operations:
        method, path = where.split()
        answer = paths[path][method]["responses"][status]
        for target, link in answer.get("links", {}).items():
            assert link["operationId"] == target
            found[where, target] = link["parameters"]
    return found


MAKE, LIST, GET, ACT = "post /claims", "get /claims", "get /claims/{claim_id}", "post /claims/{claim_id}:act"
CLAIMS = [(MAKE, "201", "Claim"), (LIST, "200", "ClaimPage"), (GET, "200", "Claim"), (ACT, "200", "Claim")]


def test_what_was_made_listed_or_read_links_to_all_that_can_be_done_with_it() -> None:
    own, first = {"claim_id": "$response.body#/id"}, {"claim_id": "$response.body#/items/0/id"}
    assert linked(*CLAIMS) == {
        (MAKE, GET): own, (MAKE, ACT): own, (LIST, GET): first, (LIST, ACT): first, (GET, ACT): own, (ACT, GET): own,
    }  # fmt: skip


def test_a_field_called_as_anothers_parameter_links_to_where_that_is_read_and_no_further() -> None:
    read, act = "get /persons/{person_id}", "post /persons/{person_id}:act"
    found = linked((GET, "200", "Claim"), (read, "200", "Person"), (act, "200", "Person"))
    assert found[GET, read] == {"person_id": "$response.body#/person_id"}
    assert (GET, act) not in found


@pytest.mark.parametrize(
    ("source", "of", "target", "parameters"),
    [
        ("post /clients", "Client", "post /clients/{client_id}:act", {"client_id": "$response.body#/id"}),
        (
            "post /clients",
            "Client",
            "post /clients/{client_id}/keys/{kid}:act",
            {"client_id": "$response.body#/id", "kid": "$response.body#/keys/0/kid"},
        ),
        ("post /certificates", "Certificate", "get /certificates/{number}", {"number": "$response.body#/number"}),
        ("get /builds", "Build", "post /builds/{build}:act", {"build": "$response.body#/name"}),
        ("get /head", "Head", "get /heads/{tree_size}", {"tree_size": "$response.body#/head/tree_size"}),
        ("post /notices/{n}/objections", "Objection", "post /objections/{o_id}/x", {"o_id": "$response.body#/id"}),
        ("post /claims/{claim_id}/x", "Done", "get /claims/{claim_id}", {"claim_id": "$request.path.claim_id"}),
    ],
)
def test_a_parameter_is_taken_from_where_the_answer_has_it(
    source: str, of: str, target: str, parameters: dict[str, str]
) -> None:
    assert linked((source, "201", of), (target, "200", "Done"))[source, target] == parameters


def test_an_answer_that_names_nothing_links_to_nothing() -> None:
    assert linked(("get /x", "200", "Done"), ("get /claims/{claim_id}", "200", "Claim")) == {}


def test_a_link_says_in_chinese_where_its_parameters_come_from() -> None:
    answer: Json = {"content": {"application/json": {"schema": ref("ClaimPage")}}}
    read: Json = {"operationId": "getClaim", "summary": "一件申请", "responses": {}}
    paths = {
        "/claims": {"get": {"operationId": "listClaims", "responses": {"200": answer}}},
        "/claims/{claim_id}": {"get": read},
    }
    links.add(paths, SCHEMAS)
    assert answer["links"]["getClaim"]["description"] == "一件申请。`claim_id` 取自列表首项的 `id`。"

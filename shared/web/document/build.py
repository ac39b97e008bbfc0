"""Assembles a service's document: FastAPI knows addresses, parameters and bodies, the endpoints their answers."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from shared.web.answers import Declared, Success, declared
from shared.web.caller import PUBLIC, allowed
from shared.web.document import commons, links
from shared.web.document.examples import BY_NAME, example_of
from shared.web.document.naming import operation_id
from shared.web.routes import GuardedRoute

Json = dict[str, Any]

REFERENCE = "#/components/schemas/{name}"
_CHINESE = re.compile("[一-鿿]")
NOTES = {
    "x-signed": "银行的请求须以报文签名（RFC 9421），应答亦经签名。",
    "x-step-up": "须由本人在限定时间内以更高的认证等级登录后办理（RFC 9470），否则答 401，要求重新登录。",
}


def document(app: FastAPI) -> Json:
    """The whole document. Raises `TypeError` when two types of different shape share a name."""
    raw = get_openapi(title=app.title, version=app.version, openapi_version="3.1.0", routes=app.routes)
    routes = [route for route in app.routes if isinstance(route, GuardedRoute) and route.include_in_schema]
    answers = _Answers(routes)
    schemas = _together(raw.get("components", {}).get("schemas", {}), answers.components)
    schemas = {**{name: _tidied(schema) for name, schema in sorted(schemas.items())}, **commons.SCHEMAS}
    paths: Json = {}
    for route in routes:
        for method in sorted(route.methods or ()):
            given = raw["paths"][route.path_format][method.lower()]
            operation = _Operation(route, method.lower(), given, answers, schemas)
            paths.setdefault(route.path_format, {})[method.lower()] = operation.document()
    links.add(paths, schemas)
    components = {"schemas": schemas}
    tags = sorted({tag for item in paths.values() for operation in item.values() for tag in operation["tags"]})
    whole = {
        "openapi": raw["openapi"],
        "info": {
            "title": app.title,
            "version": app.version,
            "description": commons.INFO,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "本服务"}],
        "tags": [{"name": tag, "description": commons.TAGS.get(tag, "")} for tag in tags],
        "paths": paths,
        "components": components,
    }
    return _with_commons(whole)


class _Answers:
    """The schemas of all that the routes answer."""

    def __init__(self, routes: list[GuardedRoute]) -> None:
        types = [
            success.of
            for route in routes
            if (said := declared(route.endpoint)) is not None
            for success in said.successes
            if success.of is not None
        ]
        made, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
        self._of = {id(of): _renamed(schema) for of, schema in zip(types, made, strict=True)}
        self._kept = types  # so that no id is used twice
        self.components = {_page_name(name): _renamed(schema) for name, schema in components.items()}

    def schema(self, success: Success) -> Json:
        found: Json = self._of[id(success.of)]
        return found


def _page_name(name: str) -> str:
    return re.sub(r"^Page[_\[](\w+?)[_\]]$", r"\1Page", name)


def _renamed(node: Any) -> Any:
    """Pages are named after what they hold."""
    if isinstance(node, list):
        return [_renamed(item) for item in node]
    if not isinstance(node, dict):
        return _page_name(node) if isinstance(node, str) and node.startswith("Page[") else node
    made = {key: _renamed(value) for key, value in node.items()}
    if isinstance(reference := made.get("$ref"), str):
        head, _, name = reference.rpartition("/")
        made["$ref"] = f"{head}/{_page_name(name)}"
    return made


def _together(bodies: Json, answers: Json) -> Json:
    for name in bodies.keys() & answers.keys():
        if bodies[name] != answers[name]:
            raise TypeError(f"a body and an answer are both called {name}")
    return {**bodies, **answers}


def _tidied(node: Any) -> Any:
    """Without what tells a reader of the document nothing: titles made of names, and what is said to programmers."""
    if isinstance(node, list):
        return [_tidied(item) for item in node]
    if not isinstance(node, dict):
        return node
    made: Json = {}
    for key, value in node.items():
        if key == "properties":
            made[key] = {name: _tidied(field) for name, field in value.items()}
        elif key == "anyOf":
            made |= _alternatives(value)
        elif key != "title" and not (key == "description" and not _CHINESE.search(value)):
            made[key] = _tidied(value)
    return made


def _alternatives(schemas: list[Json]) -> Json:
    """What is kept as encoded bytes (`msgspec.Raw`) beside a type is that type."""
    typed = [_tidied(schema) for schema in schemas if schema]
    return {"anyOf": typed} if len(typed) > 1 else dict(*typed)


class _Operation:
    """One operation's part of the document."""

    def __init__(self, route: GuardedRoute, method: str, given: Json, answers: _Answers, schemas: Json) -> None:
        self._route = route
        self._method = method
        self._given = given
        self._answers = answers
        self._schemas = schemas
        self._declared = declared(route.endpoint) or Declared("plain", (), (), keyed=False)
        self._public = PUBLIC in allowed(route.endpoint)

    def document(self) -> Json:
        route, given = self._route, self._given
        name = route.operation_id or operation_id(self._method, route.path_format, route.endpoint.__name__)
        made: Json = {"operationId": name, "tags": given["tags"], "summary": given["summary"]}
        if (description := self._description()) != "":
            made["description"] = description
        if parameters := [*self._parameters()]:
            made["parameters"] = parameters
        if "requestBody" in given:
            made["requestBody"] = self._body(given["requestBody"])
        made["responses"] = self._responses()
        made["security"] = [] if self._public else commons.SECURITY
        return made | {key: value for key, value in given.items() if key.startswith("x-")}

    def _description(self) -> str:
        own = self._given.get("description", "")
        parts = [own] if _CHINESE.search(own) else []
        parts += [told for key, told in NOTES.items() if key in self._given]
        return "\n\n".join(parts)

    def _parameters(self) -> Iterator[Json]:
        given = self._given.get("parameters", [])
        for parameter in given:
            made = {**parameter, "schema": _tidied(parameter["schema"])}
            if made["name"] in BY_NAME and made["in"] == "path":
                made["example"] = BY_NAME[made["name"]]
            yield made
        for name in self._common_parameters({parameter["name"] for parameter in given}):
            yield {"$ref": f"#/components/parameters/{name}"}

    def _common_parameters(self, given: set[str]) -> list[str]:
        names = [name for name in commons.PARAMETERS_OF[self._declared.kind] if name not in given]
        if self._declared.kind == "resource" and not any(s.status == 304 for s in self._declared.successes):
            names.remove("If-None-Match")
        if self._declared.keyed and "Idempotency-Key" not in names:
            names.append("Idempotency-Key")
        return names

    def _body(self, body: Json) -> Json:
        content = {}
        for media_type, given in body["content"].items():
            schema = _tidied(given["schema"])
            content[media_type] = {"schema": schema, "example": example_of(schema, self._schemas)}
        return {"required": body.get("required", True), "content": content}

    def _responses(self) -> Json:
        made: Json = {}
        for success in self._declared.successes:
            status = success.status or self._route.status_code or 200
            answer = made.setdefault(str(status), self._success(success, status))
            if success.of is not None:
                schema = self._answers.schema(success)
                answer.setdefault("content", {})[success.media_type] = {"schema": schema}
                if success.media_type.endswith("json"):
                    answer["content"][success.media_type]["example"] = example_of(schema, self._schemas)
        for status in self._refusals():
            made.setdefault(str(status), commons.refusal_reference(status))
        return dict(sorted(made.items()))

    def _success(self, success: Success, status: int) -> Json:
        headers = success.headers
        if status == 201 and self._declared.kind == "command":
            headers = (*headers, "Location")
        meaning = {200: "成功", 201: "已办理", 202: "已受理，尚在进行", 304: "没有更新"}
        return {"description": meaning.get(status, "应答"), "headers": commons.header_references(headers)}

    def _refusals(self) -> list[int]:
        """The statuses that operations of its kind refuse with, and those that the endpoint adds."""
        said, has_body = self._declared, "requestBody" in self._given
        statuses = {422, 429, 500, 503, *said.refuses}
        if not self._public:
            statuses |= {401, 403}
        if "{" in self._route.path_format:
            statuses.add(404)
        if has_body:
            statuses |= {400, 413}
        if said.kind == "list":
            statuses.add(400)
        if said.keyed:
            statuses |= {400, 409}
        if said.kind == "command":
            statuses |= {412, 413}
        return sorted(statuses)


def _with_commons(whole: Json) -> Json:
    """The document with those common components that it refers to."""
    components = whole["components"]
    used = {name for name in _references(whole["paths"]) if name.startswith("responses/")}
    components["responses"] = {
        told["name"]: commons.refusal(status)
        for status, told in commons.REFUSALS.items()
        if f"responses/{told['name']}" in used
    }
    components["securitySchemes"] = commons.SECURITY_SCHEMES
    used = set(_references(whole["paths"])) | set(_references(components["responses"]))
    for kind, known in (("parameters", commons.PARAMETERS), ("headers", commons.HEADERS)):
        components[kind] = {name: item for name, item in known.items() if f"{kind}/{name}" in used}
    components["schemas"] = _used(components["schemas"], used)
    return whole


def _used(schemas: Json, used: set[str]) -> Json:
    wanted = {name.removeprefix("schemas/") for name in used if name.startswith("schemas/")}
    reached: set[str] = set()
    while wanted:
        name = wanted.pop()
        reached.add(name)
        found = {item.removeprefix("schemas/") for item in _references(schemas[name])}
        wanted |= found - reached
    return {name: schema for name, schema in schemas.items() if name in reached}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str):
            yield reference.removeprefix("#/components/")
        for value in node.values():
            yield from _references(value)

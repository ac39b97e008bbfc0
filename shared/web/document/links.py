"""Links from answers to what can be called next, derived from addresses and from what the answers' fields are called.

A resource is what the first parameter of an address names: `claim_id` in `/v1/claims/{claim_id}/review`. An answer
that shows a resource (or lists it, or made it) links to every operation of it; an answer about a resource links to the
operations of its parts that it names; an answer with a field that is called as the parameter of another resource links
to where that one is read.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

Json = dict[str, Any]

_PARAMETER = re.compile(r"\{(\w+)\}")
_DEPTH = 3
_FIRST = "items/0/"


class Operation(NamedTuple):
    """One operation of the document."""

    method: str
    path: str
    told: Json

    @property
    def resource(self) -> str:
        """The address up to its first parameter, and that parameter; empty when it has none."""
        return self.path[: self.path.index("}") + 1] if "{" in self.path else ""

    @property
    def parameters(self) -> list[str]:
        return _PARAMETER.findall(self.path)


def add(paths: Json, schemas: Json) -> None:
    """Put links on every success answer of which something can be called next."""
    operations = [Operation(method, path, told) for path, item in paths.items() for method, told in item.items()]
    shown = _Shown(operations, schemas)
    readable = {one.resource for one in operations if one.method == "get"}
    targets = [one for one in operations if one.resource]
    for source in operations:
        for answer in _successes(source):
            links = {
                target.told["operationId"]: link
                for target in targets
                if target is not source and (link := _link(source, answer, target, shown, readable)) is not None
            }
            if links:
                answer["links"] = links


def _link(source: Operation, answer: Json, target: Operation, shown: "_Shown", readable: set[str]) -> Json | None:
    """How the target is called after the answer; None when it does not follow from it."""
    made = source.method == "post" and source.path == target.resource.rpartition("/")[0]
    of_itself = made or shown.resource_of(answer) == target.resource
    of_a_part = source.resource == target.resource and len(target.parameters) > 1
    if not (of_itself or of_a_part) and target.method != "get" and target.resource in readable:
        return None
    fields = shown.fields_of(answer)
    given: dict[str, str] = {}
    for number, name in enumerate(target.parameters):
        found = _field(name, fields, own=of_itself and number == 0)
        if found is not None:
            given[name] = f"$response.body#/{found}"
        elif name in source.parameters:
            given[name] = f"$request.path.{name}"
        else:
            return None
    return {
        "operationId": target.told["operationId"],
        "parameters": given,
        "description": f"{target.told['summary']}。{_words(given)}。",
    }


def _field(name: str, fields: dict[str, str], *, own: bool) -> str | None:
    """Where the value of a parameter is: the field called so; a resource calls its own identifier `id` or `name`."""
    if not own:
        return fields.get(name)
    if name.endswith("_id"):
        found = [fields[one] for one in ("id", name) if one in fields]
        return min(found, key=lambda pointer: pointer.count("/"), default=None)
    return next((fields[one] for one in (name, "id", "name") if one in fields), None)


def _words(given: dict[str, str]) -> str:
    return "，".join(f"`{name}` 取自{_word(expression)}" for name, expression in given.items())


def _word(expression: str) -> str:
    _, _, field = expression.partition("#/")
    if not field:
        return "本次请求"
    return f"列表首项的 `{field.removeprefix(_FIRST)}`" if field.startswith(_FIRST) else f"应答的 `{field}`"


class _Shown:
    """Which resources the answers show, and where in them which field is."""

    def __init__(self, operations: list[Operation], schemas: Json) -> None:
        self._schemas = schemas
        self._resources: dict[str, str] = {}
        for resource, one in _showing(operations):
            for answer in _successes(one):
                self._resources.setdefault(self._type_of(answer), resource)

    def resource_of(self, answer: Json) -> str | None:
        return self._resources.get(self._type_of(answer))

    def fields_of(self, answer: Json) -> dict[str, str]:
        """Pointers to all fields by name; of two of one name that which is less deep."""
        found: dict[str, str] = {}
        level = [("", self._resolved(_schema(answer)))]
        for _ in range(_DEPTH):
            for before, schema in level:
                for name, field in schema.get("properties", {}).items():
                    if "type" not in field or field["type"] not in ("array", "object"):
                        found.setdefault(name, before + name)
            level = [inner for before, schema in level for inner in self._inside(before, schema)]
        return found

    def _inside(self, before: str, schema: Json) -> Iterator[tuple[str, Json]]:
        for name, field in schema.get("properties", {}).items():
            inner = self._resolved(field)
            if inner.get("type") == "array" and isinstance(inner.get("items"), dict):
                yield f"{before}{name}/0/", self._resolved(inner["items"])
            elif inner.get("type") == "object":
                yield f"{before}{name}/", inner

    def _type_of(self, answer: Json) -> str:
        """The name of the type that is answered, or of which there is a list."""
        schema = _schema(answer)
        items = self._resolved(schema).get("properties", {}).get("items", {}).get("items", {})
        return str((items if isinstance(items, dict) and "$ref" in items else schema).get("$ref", ""))

    def _resolved(self, schema: Json) -> Json:
        if "anyOf" in schema:
            schema = next((one for one in schema["anyOf"] if one.get("type") != "null"), {})
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        return schema


def _showing(operations: list[Operation]) -> Iterator[tuple[str, Operation]]:
    """Resources and the operations that answer them, the surest first."""
    resources = list(dict.fromkeys(one.resource for one in operations if one.resource))
    for one in operations:
        if one.method == "get" and one.path in resources:
            yield one.path, one
    for resource in resources:
        collection = resource.rpartition("/")[0]
        for one in operations:
            if one.path == collection or one.path.startswith(f"{collection}:"):
                yield resource, one
    for resource in resources:
        noun = resource.split("/")[-2]
        for one in operations:
            if one.method == "post" and one.path.rpartition("/")[2] == noun:
                yield resource, one


def _successes(operation: Operation) -> Iterator[Json]:
    for status, answer in operation.told["responses"].items():
        if status.startswith("2") and _schema(answer):
            yield answer


def _schema(answer: Json) -> Json:
    schema: Json = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return schema

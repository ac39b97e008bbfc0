"""Whether a new API document may take the place of an old one without breaking those who call by the old.

What callers send may only be taken more freely, what they read may only say more. An enumeration that is read may
grow: clients are told to read it as text.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

Json = Mapping[str, Any]
Way = Literal["sent", "read"]

METHODS = ("get", "put", "post", "delete", "patch")
_LOWER_BOUNDS = ("minLength", "minimum", "exclusiveMinimum", "minItems")
_UPPER_BOUNDS = ("maxLength", "maximum", "exclusiveMaximum", "maxItems")
_FORMS = ("pattern", "format", "const")


def breaking(old: Json, new: Json) -> list[str]:
    """What of `new` breaks callers of `old`, a line each that says where; empty when nothing does."""
    return list(_Comparison(old, new).operations())


class _Comparison:
    def __init__(self, old: Json, new: Json) -> None:
        self._old = old
        self._new = new
        self._inside: set[tuple[str, str, Way]] = set()

    def operations(self) -> Iterator[str]:
        for path, item in self._old["paths"].items():
            for method in METHODS:
                if method not in item:
                    continue
                where = f"{method.upper()} {path}"
                operation = self._new["paths"].get(path, {}).get(method)
                if operation is None:
                    yield f"{where}: the operation is gone"
                else:
                    yield from self._operation(where, item[method], operation)

    def _operation(self, where: str, old: Json, new: Json) -> Iterator[str]:
        if old["operationId"] != new["operationId"]:
            yield f"{where}: operationId was {old['operationId']} and is {new['operationId']}"
        for role in old.get("x-roles", ()):
            if role not in new.get("x-roles", ()) and "public" not in new.get("x-roles", ()):
                yield f"{where}: the role {role} is not admitted any more"
        if not old.get("x-signed") and new.get("x-signed"):
            yield f"{where}: must be signed now"
        yield from self._parameters(where, old, new)
        yield from self._body(where, old.get("requestBody"), new.get("requestBody"))
        yield from self._answers(where, old["responses"], new["responses"])

    def _parameters(self, where: str, old: Json, new: Json) -> Iterator[str]:
        before = {(p["in"], p["name"]): p for p in map(self._of_old, old.get("parameters", ()))}
        after = {(p["in"], p["name"]): p for p in map(self._of_new, new.get("parameters", ()))}
        for (place, name), parameter in before.items():
            at = f"{where} {place}:{name}"
            if (place, name) not in after:
                yield f"{at}: the parameter is gone"
                continue
            if after[place, name].get("required") and not parameter.get("required"):
                yield f"{at}: is required now"
            yield from self._schema(at, parameter["schema"], after[place, name]["schema"], "sent")
        for (place, name), parameter in after.items():
            if (place, name) not in before and parameter.get("required"):
                yield f"{where} {place}:{name}: a new parameter must not be required"

    def _body(self, where: str, old: Json | None, new: Json | None) -> Iterator[str]:
        if old is None:
            if new is not None and new.get("required"):
                yield f"{where}: a body is required now"
            return
        if new is None:
            yield f"{where}: the body is gone"
            return
        if new.get("required") and not old.get("required"):
            yield f"{where}: a body is required now"
        yield from self._content(f"{where} body", old["content"], new["content"], "sent")

    def _answers(self, where: str, old: Json, new: Json) -> Iterator[str]:
        for status, answer in old.items():
            if not status.startswith(("2", "3")):
                continue
            at = f"{where} {status}"
            if status not in new:
                yield f"{at}: the answer is gone"
                continue
            before, after = self._of_old(answer), self._of_new(new[status])
            for header in before.get("headers", {}):
                if header not in after.get("headers", {}):
                    yield f"{at}: the header {header} is gone"
            yield from self._content(at, before.get("content", {}), after.get("content", {}), "read")

    def _content(self, where: str, old: Json, new: Json, way: Way) -> Iterator[str]:
        for media_type, content in old.items():
            if media_type not in new:
                yield f"{where}: {media_type} is gone"
            elif "schema" in content:
                yield from self._schema(where, content["schema"], new[media_type].get("schema", {}), way)

    def _schema(self, where: str, old: Json, new: Json, way: Way) -> list[str]:
        pair = (str(old.get("$ref", "")), str(new.get("$ref", "")), way)
        if pair[0] or pair[1]:
            if pair in self._inside:
                return []
            self._inside.add(pair)
        try:
            return list(self._walk(where, self._of_old(old), self._of_new(new), way))
        finally:
            self._inside.discard(pair)

    def _walk(self, where: str, old: Json, new: Json, way: Way) -> Iterator[str]:
        if "anyOf" in old or "anyOf" in new:
            yield from self._alternatives(where, old, new, way)
            return
        if (before := _type(old)) != (after := _type(new)):
            if (after if way == "sent" else before) is not None:
                yield f"{where}: the type was {before} and is {after}"
            return
        yield from _values(where, old, new, way)
        yield from _bounds(where, old, new, way)
        yield from self._fields(where, old, new, way)
        if isinstance(old.get("items"), Mapping) and isinstance(new.get("items"), Mapping):
            yield from self._schema(f"{where}/*", old["items"], new["items"], way)
        for keyword in ("additionalProperties",):
            before, after = old.get(keyword), new.get(keyword)
            if isinstance(before, Mapping) and isinstance(after, Mapping):
                yield from self._schema(f"{where}/*", before, after, way)
            elif way == "sent" and after is False and before is not False:
                yield f"{where}: other fields are refused now"

    def _alternatives(self, where: str, old: Json, new: Json, way: Way) -> Iterator[str]:
        """Each way in which it could be sent must still be taken; each in which it is read must have been known."""
        before, after = old.get("anyOf", [old]), new.get("anyOf", [new])
        if way == "sent":
            for schema in before:
                if all(self._schema(where, schema, other, way) for other in after):
                    yield f"{where}: could be {_name(schema)} and cannot any more"
        else:
            for schema in after:
                if all(self._schema(where, other, schema, way) for other in before):
                    yield f"{where}: can now be {_name(schema)} as well"

    def _fields(self, where: str, old: Json, new: Json, way: Way) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        certain_before, certain_after = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            field = f"{where}/{name}"
            if name not in after:
                yield f"{field}: the field is gone"
                continue
            if way == "sent" and name in certain_after - certain_before:
                yield f"{field}: the field is required now"
            if way == "read" and name in certain_before - certain_after:
                yield f"{field}: the field was always there and may be missing now"
            yield from self._schema(field, before[name], after[name], way)
        for name in after.keys() - before.keys():
            if way == "sent" and name in certain_after:
                yield f"{where}/{name}: a new field must not be required"

    def _of_old(self, node: Json) -> Json:
        return _resolved(node, self._old)

    def _of_new(self, node: Json) -> Json:
        return _resolved(node, self._new)


def _values(where: str, old: Json, new: Json, way: Way) -> Iterator[str]:
    before, after = old.get("enum"), new.get("enum")
    if way == "read":
        return
    if after is not None and before is None:
        yield f"{where}: was free and is now one of {after}"
    elif after is not None and before is not None:
        for value in before:
            if value not in after:
                yield f"{where}: the value {value!r} is not taken any more"


def _bounds(where: str, old: Json, new: Json, way: Way) -> Iterator[str]:
    """What is sent may not be bounded more tightly, nor in another form; what is read may not lose its form."""
    for keyword in _FORMS:
        before, after = old.get(keyword), new.get(keyword)
        if before != after and (after if way == "sent" else before) is not None:
            yield f"{where}: {keyword} was {before} and is {after}"
    if way == "read":
        return
    for keywords, sign in ((_LOWER_BOUNDS, 1), (_UPPER_BOUNDS, -1)):
        for keyword in keywords:
            before, after = old.get(keyword), new.get(keyword)
            if after is not None and (before is None or (after - before) * sign > 0):
                yield f"{where}: {keyword} was {before} and is {after}"


def _type(schema: Json) -> object:
    """The type; an enumeration need not name its own."""
    if "type" in schema:
        return schema["type"]
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if not values:
        return None
    return "string" if all(isinstance(value, str) for value in values) else "integer"


def _name(schema: Json) -> str:
    return str(schema.get("$ref", schema.get("type", schema))).rpartition("/")[2]


def _resolved(node: Json, document: Json) -> Json:
    while "$ref" in node:
        found: Any = document
        for part in str(node["$ref"]).removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node

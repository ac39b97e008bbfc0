"""Whether a new set of event schemas may take the place of an old one.

Two readers must not break: a consumer that knows the old schema and reads new events, and this service, which reads
the events that it wrote under the old schema. So a field stays, keeps its type and its default, and stays as certain
as it was; an enumeration may grow, since consumers read it as text, but never lose a value that was written.
What breaks needs a new tag (`….v2`) and an upcaster.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_LOOSE = frozenset({"$defs", "$ref", "title", "description", "default", "enum", "examples"})
_DESCENDED = frozenset(
    {"properties", "required", "items", "prefixItems", "additionalProperties", "anyOf", "type", "discriminator"}
)
_NO_DEFAULT = object()


def compatible(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[str]:
    """What of `new` (schemas by tag) breaks readers of `old`, a line each; empty when nothing does."""
    findings = []
    for tag, schema in old.items():
        if tag not in new:
            findings.append(f"{tag}: the event is gone")
        else:
            findings += _Comparison(schema, new[tag]).differences(tag, schema, new[tag])
    return findings


class _Comparison:
    """Compares two documents; `$ref` is resolved in the document that it stands in."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new
        self._inside: set[tuple[str, str]] = set()

    def differences(self, where: str, old: Schema, new: Schema) -> list[str]:
        pair = (str(old.get("$ref", "")), str(new.get("$ref", "")))
        if any(pair):
            if pair in self._inside:
                return []
            self._inside.add(pair)
        try:
            return list(self._walk(where, _resolved(old, self._old), _resolved(new, self._new)))
        finally:
            self._inside.discard(pair)

    def _walk(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        if "anyOf" in old or "anyOf" in new:
            yield from self._alternatives(where, old, new)
            return
        if _type(old) != _type(new):
            yield f"{where}: the type was {_type(old)} and is {_type(new)}"
            return
        yield from _values(where, old, new)
        for keyword in sorted({*old, *new} - _LOOSE - _DESCENDED):
            if old.get(keyword) != new.get(keyword):
                yield f"{where}: {keyword} was {old.get(keyword)} and is {new.get(keyword)}"
        yield from self._fields(where, old, new)
        yield from self._elements(where, old, new)

    def _alternatives(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        before, after = old.get("anyOf", [old]), new.get("anyOf", [new])
        for schema in before:
            if all(self.differences(where, schema, other) for other in after):
                yield f"{where}: the type could be {_name(schema)} and cannot any more"
        for schema in after:
            if all(self.differences(where, other, schema) for other in before):
                yield f"{where}: the type can now be {_name(schema)} as well"

    def _fields(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        certain_before, certain_after = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            field = f"{where}/{name}"
            if name not in after:
                yield f"{field}: the field is gone"
                continue
            if name in certain_after - certain_before:
                yield f"{field}: the field is required now, older events lack it"
            if name in certain_before - certain_after:
                yield f"{field}: the field was always there and may be missing now"
            yield from _default(field, before[name], after[name])
            yield from self.differences(field, before[name], after[name])
        for name in after:
            if name not in before and name in certain_after:
                yield f"{where}/{name}: a new field must have a default"

    def _elements(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        for keyword in ("items", "additionalProperties"):
            before, after = old.get(keyword), new.get(keyword)
            if isinstance(before, Mapping) and isinstance(after, Mapping):
                yield from self.differences(f"{where}/*", before, after)
            elif isinstance(before, Mapping) or isinstance(after, Mapping):
                yield f"{where}: {keyword} was {before} and is {after}"
        before, after = old.get("prefixItems", []), new.get("prefixItems", [])
        if len(before) != len(after):
            yield f"{where}: had {len(before)} elements and has {len(after)}"
        for number, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from self.differences(f"{where}/{number}", one, other)


def _type(schema: Schema) -> object:
    """The type; an enumeration does not name its own."""
    if "type" in schema or "enum" not in schema:
        return schema.get("type")
    return "string" if all(isinstance(value, str) for value in schema["enum"]) else "integer"


def _values(where: str, old: Schema, new: Schema) -> Iterator[str]:
    """An enumeration may grow and may become free text; it never loses a value, and free text never becomes one."""
    if "enum" not in new:
        return
    if "enum" not in old:
        yield f"{where}: was free and is now one of {new['enum']}"
        return
    for value in old["enum"]:
        if value not in new["enum"]:
            yield f"{where}: the value {value!r} is gone"


def _default(field: str, old: Schema, new: Schema) -> Iterator[str]:
    """A default that is left out of the bytes is what they mean: it never changes."""
    before, after = old.get("default", _NO_DEFAULT), new.get("default", _NO_DEFAULT)
    if before is not _NO_DEFAULT and after is not _NO_DEFAULT and before != after:
        yield f"{field}: the default was {before!r} and is {after!r}, older events meant the former"


def _resolved(schema: Schema, document: Schema) -> Schema:
    while "$ref" in schema:
        found: Any = document
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _name(schema: Schema) -> str:
    return str(schema.get("$ref", schema.get("type", schema))).rpartition("/")[2]

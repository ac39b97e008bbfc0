"""Event contracts: JSON Schemas of a service's events, generated from its structs and checked in.

The schema describes the bytes that leave the service: a personal value is what it is on the wire, a sealed object.
Documents are stable: the same structs give the same bytes.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from shared.eventstore.decider import Aggregate, Upcast
from shared.eventstore.record import tag_of
from shared.values.personal import Sealed

Schema = dict[str, Any]


def event_schemas(aggregates: Iterable[Aggregate[Any]]) -> dict[str, Schema]:
    """The schema of every event of these aggregates by its tag, each complete in itself, sorted by tag."""
    kinds = {tag_of(kind): kind for aggregate in aggregates for kind in aggregate.events}
    return {tag: _schema(kinds[tag]) for tag in sorted(kinds)}


def contract(
    aggregates: Iterable[Aggregate[Any]], upcasts: Iterable[Upcast], checked_in: Mapping[str, Schema]
) -> dict[str, Schema]:
    """The schemas of what is written now, and those, as they were checked in, of what was written and is upcast."""
    older = {upcast.old: checked_in[upcast.old] for upcast in upcasts if upcast.old in checked_in}
    return {**older, **event_schemas(aggregates)}


def document(schemas: Mapping[str, Schema]) -> bytes:
    """The bytes that are checked in: sorted, two spaces, a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(schemas, order="sorted"), indent=2) + b"\n"


def read_document(data: bytes) -> dict[str, Schema]:
    """The inverse of `document`. Raises `msgspec.ValidationError` or `msgspec.DecodeError`."""
    return msgspec.json.decode(data, type=dict[str, Schema])


def _schema(kind: type) -> Schema:
    # Through JSON, so that what is compared with a checked-in file is what a file can hold.
    schema: Schema = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(kind)))
    sealed = {f"#/$defs/{name}" for name in schema["$defs"] if name.startswith(Sealed.__name__)}
    schema["$defs"] = {name: found for name, found in schema["$defs"].items() if f"#/$defs/{name}" not in sealed}
    described: Schema = _described(schema, sealed)
    return described


def _described(schema: Any, sealed: set[str]) -> Any:
    """With each personal value marked as such where it stands."""
    if isinstance(schema, list):
        return [_described(item, sealed) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return SEALED if schema.get("$ref") in sealed else {key: _described(item, sealed) for key, item in schema.items()}


SEALED: Schema = {
    "type": "object",
    "description": "Personal data, sealed under its subject's key; `box` is base64 of nonce, ciphertext and tag.",
    "x-personal": True,
    "properties": {
        "subject": {"type": "string"},
        "alg": {"type": "string"},
        "field": {"type": "integer"},
        "box": {"type": "string", "contentEncoding": "base64"},
    },
    "required": ["subject", "alg", "field", "box"],
}
"""What `shared.values.personal.Sealed` is in JSON."""

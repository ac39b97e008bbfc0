"""Event contracts: JSON Schemas of a service's events, generated from its structs and checked in.

The schema describes the bytes that leave the service: a personal value is what it is on the wire, a sealed object.
Documents are stable: the same structs give the same bytes.
"""

from collections.abc import Iterable, Mapping
from typing import Any, get_origin

import msgspec

from shared.eventstore.decider import Aggregate
from shared.eventstore.record import tag_of
from shared.values.personal import Personal

Schema = dict[str, Any]


def event_schemas(aggregates: Iterable[Aggregate[Any]]) -> dict[str, Schema]:
    """The schema of every event of these aggregates by its tag, each complete in itself, sorted by tag."""
    kinds = {tag_of(kind): kind for aggregate in aggregates for kind in aggregate.events}
    return {tag: _schema(kinds[tag]) for tag in sorted(kinds)}


def document(schemas: Mapping[str, Schema]) -> bytes:
    """The bytes that are checked in: sorted, two spaces, a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(schemas, order="sorted"), indent=2) + b"\n"


def read_document(data: bytes) -> dict[str, Schema]:
    """The inverse of `document`. Raises `msgspec.ValidationError` or `msgspec.DecodeError`."""
    return msgspec.json.decode(data, type=dict[str, Schema])


def _schema(kind: type) -> Schema:
    schema = msgspec.json.schema(kind, schema_hook=_wire_schema)
    # Through JSON, so that what is compared with a checked-in file is what a file can hold.
    found: Schema = msgspec.json.decode(msgspec.json.encode(schema))
    return found


def _wire_schema(kind: type) -> Schema:
    """What msgspec does not know: a personal value, as `shared.eventstore.record.sealed_to_json` writes it."""
    if get_origin(kind) is not Personal and kind is not Personal:
        raise NotImplementedError(kind)
    return {
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

"""Parts of an event that a fold leaves encoded: shown often as they are, judged seldom, and dear to decode."""

from typing import Any

import msgspec

KIND = "encodes"


def encodes(kind: Any) -> msgspec.Meta:
    """For `Annotated[msgspec.Raw, encodes(T)]`: the JSON of a T, of which the event's schema says what T is."""
    [schema], defined = msgspec.json.schema_components([kind], ref_template="{name}")
    return msgspec.Meta(extra_json_schema=_inlined(schema, defined), extra={KIND: kind})


def encoded(value: Any) -> msgspec.Raw:
    """What such a field holds."""
    return msgspec.Raw(msgspec.json.encode(value))


def _inlined(schema: Any, defined: dict[str, Any]) -> Any:
    """References replaced by what they lead to: the schema goes into another one, where they would lead nowhere."""
    if isinstance(schema, list):
        return [_inlined(item, defined) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if (name := schema.get("$ref")) is not None:
        return _inlined(defined[name], defined)
    return {key: _inlined(value, defined) for key, value in schema.items()}

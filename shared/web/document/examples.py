"""Examples of bodies, made from their schemas: one word stands for one thing everywhere, so one value can, too."""

from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

BY_NAME: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("examples.yaml").read_text(encoding="utf-8"))
_BY_FORMAT = {
    "date": "2025-03-03",
    "date-time": "2025-03-03T09:00:00+08:00",
    "uuid": BY_NAME["operation_id"],
    "uri": "https://example.org",
    "decimal": "1800.00",
}
_DEPTH = 8


def example_of(schema: Json, components: Json, name: str = "", owner: str = "", depth: int = 0) -> Any:
    """A value that the schema accepts: its own example, that of its name, or one of its type.

    `owner` is the type whose field `name` is: a name may mean something of its own there (`ShownClaim.id`).
    """
    if "$ref" in schema:
        target = schema["$ref"].rpartition("/")[2]
        return example_of(components[target], components, f"{owner}.{name}", target, depth + 1)
    if "examples" in schema:
        return schema["examples"][0]
    for named in (f"{owner}.{name}", name):
        if named in BY_NAME and _fits(BY_NAME[named], schema):
            return BY_NAME[named]
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    if "anyOf" in schema:
        possible = [item for item in schema["anyOf"] if item.get("type") != "null"]
        return example_of(possible[0], components, name, owner, depth + 1) if possible and depth < _DEPTH else None
    return _of_type(schema, components, name, owner, depth)


def _fits(value: Any, schema: Json) -> bool:
    """Whether an example by name is of the type that is wanted here, as far as that needs to be known."""
    if "anyOf" in schema:
        return any(_fits(value, item) for item in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return value in schema.get("enum", [schema.get("const")])
    types = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict, "null": type(None)}
    return type(value) is types.get(schema.get("type", ""))


def _of_type(schema: Json, components: Json, name: str, owner: str, depth: int) -> Any:
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {key: example_of(value, components, key, owner, depth + 1) for key, value in fields.items()}
        case "array":
            items = schema.get("items")
            return [example_of(items, components, name, owner, depth + 1)] if items and depth < _DEPTH else []
        case "integer":
            return int(schema.get("minimum", 1))
        case "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "string":
            return _BY_FORMAT.get(schema.get("format", ""), "示例")
        case _:
            return None

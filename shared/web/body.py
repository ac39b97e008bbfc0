"""Reading a body on the hottest paths: one validation of the bytes as they came, nothing in between."""

from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

B = TypeVar("B", bound=BaseModel)


async def read_body(request: Request, model: type[B]) -> B:
    """The body as `model`. Raises the same 422 that a declared body does, with the same pointers."""
    return parsed_body(await request.body(), model)


def parsed_body(content: bytes, model: type[B]) -> B:
    """The same, for bytes that have been read."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in error.errors()]) from None


def declares(model: type[BaseModel]) -> dict[str, Any]:
    """What the API document says of a body that is read this way: for `openapi_extra`."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    nested = schema.pop("$defs", {})
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": _inlined(schema, nested)}}}}


def _inlined(schema: Any, nested: dict[str, Any]) -> Any:
    """References to nested models replaced by what they say, since nobody else declares them."""
    if isinstance(schema, list):
        return [_inlined(item, nested) for item in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _inlined(nested[reference.rpartition("/")[2]], nested)
    return {key: _inlined(value, nested) for key, value in schema.items()}

"""What the live API documents declare of answers, held strictly: a field that is not declared is a finding too."""

from typing import Any

import httpx
from jsonschema import Draft202012Validator

Json = dict[str, Any]


def strict(node: Any) -> Any:
    """Schemas in which objects with named fields have no others."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: strict(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and node.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


class Declared:
    """One service's document. Problems may have fields of their own (RFC 9457), so only successes are held strictly."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self._components = {"schemas": strict(document["components"]["schemas"])}

    def findings(self, method: str, path: str, answer: httpx.Response) -> list[str]:
        """What the answer is that its operation does not declare."""
        where = f"{method.upper()} {path}: {answer.status_code}"
        responses = self.document["paths"][path][method]["responses"]
        declared = responses.get(str(answer.status_code))
        if declared is None:
            return [f"{where} is not declared: {answer.text[:200]}"]
        if answer.status_code >= 300:
            return []
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        if media_type not in declared["content"]:
            return [f"{where}: {media_type} is not declared"]
        if not media_type.endswith("json"):
            return []
        schema = {**strict(declared["content"][media_type]["schema"]), "components": self._components}
        errors = Draft202012Validator(schema).iter_errors(answer.json())
        return [f"{where} {error.json_path}: {error.message[:200]}" for error in errors]

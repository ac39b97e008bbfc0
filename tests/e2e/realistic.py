"""Ids that there are in the stack, by the name that they have in paths, queries and bodies."""

from collections.abc import Iterator
from typing import Any

from tests.e2e.caller import Caller

LISTS = {
    "claim_id": ("subsidy", "/v1/claims?limit=200", "city"),
    "notice_id": ("subsidy", "/v1/notices", "city"),
    "batch_id": ("subsidy", "/v1/payment-batches", "city"),
    "organisation_id": ("registry", "/v1/organisations", "city"),
    "institution_id": ("registry", "/v1/institutions", "city"),
    "carrier_id": ("registry", "/v1/carriers", "city"),
    "bank_id": ("registry", "/v1/banks", "city"),
    "project_id": ("training", "/v1/projects", "city"),
    "class_id": ("training", "/v1/classes", "city"),
    "evaluator_id": ("training", "/v1/evaluators", "city"),
    "entry_id": ("loans", "/v1/whitelist/entries", "city"),
    "wlb_id": ("loans", "/v1/whitelist/batches", "city"),
    "message_id": ("notify", "/v1/messages", "auditor"),
}
ENOUGH = 5
"""How many of a kind are read."""
OTHERS: dict[str, list[str]] = {
    "programme": ["training-fee-subsidy"],
    "year": ["2025"],
    "tree_size": ["1"],
    "position": ["1"],
    "first": ["1"],
    "service": ["subsidy"],
    "operation_id": ["none"],
    "snapshot_id": ["none"],
    "client_id": ["none"],
}

STREAMS = {"registry": "person_id", "training": "class_id", "loans": "entry_id", "notify": "message_id"}
"""Of what kind the streams of a service's log may be; claims where it is not said."""


class Known:
    """The ids of a stack in which a demo has run."""

    def __init__(self, ids: dict[str, list[str]]) -> None:
        self.ids = ids

    def urls(self, service: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
        """Addresses of an operation that lead somewhere, with what its query requires."""
        required = [
            parameter["name"]
            for parameter in operation.get("parameters", ())
            if parameter.get("in") == "query" and (parameter.get("required") or parameter["name"] == "person_id")
        ]
        for number in range(ENOUGH if "{" in path else 1):
            url = path
            for name in [part.split("}")[0] for part in path.split("{")[1:]]:
                url = url.replace(f"{{{name}}}", self._one(service, name, number))
            query = "&".join(f"{name}={self._one(service, name, number)}" for name in required)
            yield f"{url}?{query}" if query else url

    def _one(self, service: str, name: str, number: int) -> str:
        if service == "loans" and name == "batch_id":
            name = "wlb_id"
        if name == "stream":
            name = STREAMS.get(service, name)
        found = self.ids.get(name) or OTHERS.get(name) or ["none"]
        return found[number % len(found)]


async def known_ids(call: Caller) -> Known:
    found = {}
    for name, (service, path, role) in LISTS.items():
        items = (await call.get(role, service, path)).json()["items"]
        found[name] = [item["id"] for item in items]
        if name == "claim_id":
            found["person_id"] = [claim["person_id"] for claim in items]
            found["certificate_no"] = found["number"] = [claim["certificate_no"] for claim in items]
    found["stream"] = found["claim_id"]
    log_id = (await call.get("ops", "subsidy", "/v1/progress")).json()["log_id"]
    return Known({**found, "log_id": [log_id]})

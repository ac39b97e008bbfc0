"""Makes generated cases meet more than the search for what they name: ids that there are, numbers that are valid."""

import copy
import random
from collections.abc import Collection
from itertools import count
from typing import Any, NamedTuple

from schemathesis import Case

from shared.testing.city.numbers import Numbers
from shared.values.identity_number import IdentityKind

OFTEN, HALF = 0.7, 0.5
JSON = "application/json"
NEWEST = 5
"""How many of the ids made last are chosen as often as all others."""

NOT_IN_BODIES = "number"
"""A certificate's in addresses, and an account's in bodies."""


class Prepared(NamedTuple):
    """A body that a service will take from somebody near."""

    body: dict[str, Any]
    near: str = ""


Preparations = dict[str, list[Prepared]]
"""By operation."""


class Realism:
    """`known` are ids by the name that they have in paths, queries and bodies; what is made on the way joins them.

    `prepared` are bodies that are sent once.
    """

    def __init__(self, known: dict[str, list[str]], prepared: Preparations, seed: int, chance: random.Random) -> None:
        self.known = known
        self._prepared = prepared
        self._random = chance
        self._numbers = Numbers(seed)
        self._ordinals = count(10**6)

    def known_ids(self, case: Case[Any], near: Collection[str] = ()) -> None:
        """Some of the ids are replaced by such as there are, those among the texts `near` first."""
        for place in (case.path_parameters, case.query, case.body):
            self._replace(place, near, in_body=place is case.body)

    def next_step(self, case: Case[Any], linked: Collection[str], near: set[str]) -> None:
        """The same for a step of a sequence, but for the path parameters that a link gave.

        Bodies are prepared ones as long as there are any, then half of them the document's examples with new numbers.
        Who is near a prepared body joins `near`.
        """
        given = {name: value for name, value in (case.path_parameters or {}).items() if name in linked}
        told = case.operation.definition.raw
        if waiting := self._prepared.get(told["operationId"]):
            prepared = waiting.pop()
            near.add(prepared.near)
            case.body, case.media_type = prepared.body, JSON
            case.headers.pop("If-Match", None)
            return
        example = told.get("requestBody", {}).get("content", {}).get(JSON, {}).get("example")
        if example is not None and self._random.random() < HALF:
            body = copy.deepcopy(example)
            case.body, case.media_type = body, JSON
            case.headers.pop("If-Match", None)
            self._renumber(body)
        self.known_ids(case, near)
        if given:
            case.path_parameters.update(given)

    def _replace(self, node: Any, near: Collection[str], *, in_body: bool) -> None:
        if isinstance(node, list):
            for item in node:
                self._replace(item, near, in_body=in_body)
        elif isinstance(node, dict):
            for name, value in node.items():
                known = self._known(name, value)
                if not known or (in_body and name == NOT_IN_BODIES):
                    self._replace(value, near, in_body=in_body)
                elif isinstance(value, list):
                    node[name] = [self._instead(item, known, near) for item in value]
                else:
                    node[name] = self._instead(value, known, near)

    def _known(self, name: str, value: Any) -> list[str]:
        """Ids that may stand there; `claims` and `claim_ids` are lists of such as `claim_id` is."""
        if isinstance(value, str):
            return self.known.get(name, [])
        one = name.removesuffix("s")
        return self.known.get(one) or self.known.get(f"{one}_id") or [] if isinstance(value, list) else []

    def _instead(self, value: Any, known: list[str], near: Collection[str]) -> Any:
        if self._random.random() >= OFTEN:
            return value
        nearby = sorted(text for text in near if text[:4] == known[0][:4])
        newest = known[-NEWEST:] if self._random.random() < HALF else known
        return self._random.choice(nearby or newest)

    def _renumber(self, body: dict[str, Any]) -> None:
        ordinal = next(self._ordinals)
        if "identity_number" in body:
            body["identity_number"], _ = self._numbers.identity(IdentityKind.RESIDENT, ordinal)
        if "credit_code" in body:
            body["credit_code"] = self._numbers.credit_code("310115", ordinal)
        if "code" in body:
            body["code"] = f"fz-{ordinal}"

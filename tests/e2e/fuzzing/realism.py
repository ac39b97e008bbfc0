"""Makes generated cases meet more than the search for what they name: ids that there are, numbers that are valid."""

import copy
import random
from collections.abc import Collection
from itertools import count
from typing import Any

from schemathesis import Case

from shared.testing.city.numbers import Numbers
from shared.values.identity_number import IdentityKind

OFTEN, HALF = 0.7, 0.5


class Realism:
    """`known` are ids by the name that they have in paths, queries and bodies; what is made on the way joins them."""

    def __init__(self, known: dict[str, list[str]], seed: int, chance: random.Random) -> None:
        self.known = known
        self._random = chance
        self._numbers = Numbers(seed)
        self._ordinals = count(10**6)

    def known_ids(self, case: Case) -> None:
        """Some of the ids are replaced by such as there are."""
        for place in (case.path_parameters, case.query, case.body):
            self._replace(place)

    def next_step(self, case: Case, linked: Collection[str]) -> None:
        """The same for a step of a sequence, but for the path parameters that a link gave.

        Half the bodies are the document's examples, with numbers that are new.
        """
        given = {name: value for name, value in (case.path_parameters or {}).items() if name in linked}
        content = case.operation.definition.raw.get("requestBody", {}).get("content", {})
        example = content.get("application/json", {}).get("example")
        if example is not None and self._random.random() < HALF:
            case.body = copy.deepcopy(example)
            self._renumber(case.body)
        self.known_ids(case)
        if given:
            case.path_parameters.update(given)

    def _replace(self, node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                self._replace(item)
        elif isinstance(node, dict):
            for name, value in node.items():
                if self.known.get(name) and isinstance(value, str) and self._random.random() < OFTEN:
                    node[name] = self._random.choice(self.known[name])
                else:
                    self._replace(value)

    def _renumber(self, body: dict[str, Any]) -> None:
        ordinal = next(self._ordinals)
        if "identity_number" in body:
            body["identity_number"], _ = self._numbers.identity(IdentityKind.RESIDENT, ordinal)
        if "credit_code" in body:
            body["credit_code"] = self._numbers.credit_code("310115", ordinal)
        if "code" in body:
            body["code"] = f"fz-{ordinal}"

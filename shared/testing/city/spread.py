"""Spread: a keyed one-to-one mapping of ordinals onto a domain, so that made-up values never meet each other.

Distinct ordinals below the size of a domain give distinct values, without a set of those already given out, and in an
order that does not look like counting.
"""

from hashlib import sha256
from math import gcd
from typing import Final


class Spread:
    """`place(n)` is a permutation of `range(size)`, another one for every seed and purpose."""

    def __init__(self, seed: int, purpose: str, size: int) -> None:
        digest = sha256(f"{seed}:{purpose}".encode()).digest()
        self.size: Final = size
        self._offset = int.from_bytes(digest[:16]) % size
        self._factor = int.from_bytes(digest[16:]) % size | 1
        while gcd(self._factor, size) != 1:
            self._factor += 2

    def place(self, ordinal: int) -> int:
        """Where `ordinal` lies; ordinals beyond `size` begin again."""
        return (ordinal * self._factor + self._offset) % self.size

    def parts(self, ordinal: int, *sizes: int) -> list[int]:
        """`place(ordinal)` taken apart into one index below each of `sizes`, whose product is `size`."""
        rest, parts = self.place(ordinal), []
        for size in sizes:
            rest, part = divmod(rest, size)
            parts.append(part)
        return parts

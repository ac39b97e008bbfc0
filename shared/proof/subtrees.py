"""Proofs from kept hashes: the leaves, and the roots of completed perfect subtrees at every `STEP`th height.

Every hash of a proof is the root of a span of leaves; a span is a few perfect subtrees, and each of those is made of
at most `2 ** (STEP - 1)` hashes of the nearest kept height below it. So a proof reads O(log n) hashes, for the log's
present size and for any former one alike.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Self

from shared.proof.merkle import STEP, Hash, extend, node_hash, root, sm3

Place = tuple[int, int]
"""A subtree's height and its number at that height; (0, n) is the leaf at index n."""


class Span(NamedTuple):
    """The leaves from index `start` up to `end`, which is not part of it."""

    start: int
    end: int


class Run(NamedTuple):
    """Neighbouring kept hashes of one height, by their numbers; `last` is part of it."""

    height: int
    first: int
    last: int


def inclusion_spans(index: int, size: int) -> list[Span]:
    """PATH(index, D[size]) of RFC 9162 2.1.3.1, each hash as the leaves below it. Raises IndexError outside the log."""
    if not 0 <= index < size:
        raise IndexError(index)
    start, end, spans = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(start, middle))
            start = middle
    return spans[::-1]


def consistency_spans(first: int, second: int) -> list[Span]:
    """PROOF(first, D[second]) of RFC 9162 2.1.4.1, each hash as the leaves below it. Raises IndexError."""
    if not 0 < first <= second:
        raise IndexError(first)
    start, end, spans = 0, second, []
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(start, middle))
            start = middle
    if start:
        spans.append(Span(start, end))
    return spans[::-1]


def _split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    return 1 << (count - 1).bit_length() - 1


def needed(spans: Iterable[Span]) -> list[Run]:
    """The kept hashes from which the roots of these spans are made."""
    runs: list[Run] = []
    for height, first, last in sorted(_kept(place) for span in spans for place in _perfect(span)):
        if runs and runs[-1].height == height and first <= runs[-1].last + 1:
            runs[-1] = Run(height, runs[-1].first, max(last, runs[-1].last))
        else:
            runs.append(Run(height, first, last))
    return runs


def _perfect(span: Span) -> Iterator[Place]:
    """The perfect subtrees that make up a span of a proof, left to right, which is largest first."""
    start, end = span
    while start < end:
        height = (end - start).bit_length() - 1
        if start:
            height = min(height, (start & -start).bit_length() - 1)
        yield height, start >> height
        start += 1 << height


def _kept(place: Place) -> Run:
    """What a perfect subtree is made of: the hashes below it at the nearest kept height."""
    height, number = place
    above = height % STEP
    return Run(height - above, number << above, (number + 1 << above) - 1)


class Tree:
    """Roots and proofs from kept hashes, which are in memory. Raises KeyError for a hash that is not there."""

    def __init__(self, kept: Mapping[Place, bytes], digest: Hash = sm3) -> None:
        self._kept = kept
        self._made: dict[Place, bytes] = {}
        self._digest = digest

    @classmethod
    def of(cls, leaves: Sequence[bytes], digest: Hash = sm3) -> Self:
        """The tree over all leaves of a log."""
        kept = {(0, index): leaf for index, leaf in enumerate(leaves)}
        completed = extend(0, (), leaves, digest).completed
        return cls(kept | {(height, number): hash for height, number, hash in completed}, digest)

    def root(self, span: Span) -> bytes:
        """MTH of RFC 9162 2.1.1 over a span that starts where one of a proof may: at 0, or on its subtree's border."""
        return root([self._subtree(place) for place in _perfect(span)], self._digest)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The inclusion proof of a leaf in the log of `size` leaves (RFC 9162 2.1.3)."""
        return [self.root(span) for span in inclusion_spans(index, size)]

    def consistency(self, first: int, second: int) -> list[bytes]:
        """The proof that the log of `first` leaves is a prefix of that of `second` (RFC 9162 2.1.4)."""
        return [self.root(span) for span in consistency_spans(first, second)]

    def _subtree(self, place: Place) -> bytes:
        """A node; what was made for one proof serves the next, so proofs of neighbours cost little more than one."""
        height, number = place
        if height % STEP == 0:
            return self._kept[place]
        made = self._made.get(place)
        if made is None:
            left, right = (height - 1, 2 * number), (height - 1, 2 * number + 1)
            made = self._made[place] = node_hash(self._subtree(left), self._subtree(right), self._digest)
        return made

"""Where a sequence differs from what it should be, as the edits that a person would name."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple


class Edit(StrEnum):
    """What was done to a sequence."""

    CHANGED = "changed"
    DROPPED = "dropped"
    INSERTED = "inserted"
    SWAPPED = "swapped"
    CUT = "cut"


class Difference(NamedTuple):
    """One edit, by indexes: where it is in what is given, and where in what was expected.

    What was dropped or cut is nowhere in what is given, what was inserted nowhere in what was expected. An element
    that was swapped stands at `given` and belongs to `expected`; two that stand in each other's place are one edit.
    """

    edit: Edit
    given: int | None
    expected: int | None


def align(given: Sequence[Hashable | None], expected: Sequence[Hashable]) -> list[Difference]:
    """The edits that make `given` of `expected`, whose elements all differ from each other.

    None in `given` is a hole that keeps its place. What is new after the last expected element is no edit: a log
    grows.
    """
    exchanged = _exchanged(given, expected)
    straight = list(given)
    for one, other in exchanged:
        straight[one], straight[other] = straight[other], straight[one]
    return [*(Difference(Edit.SWAPPED, *pair) for pair in exchanged), *_differences(straight, expected)]


def _exchanged(given: Sequence[Hashable | None], expected: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Pairs of indexes whose elements stand in each other's place."""
    wrong = [n for n in range(min(len(given), len(expected))) if given[n] != expected[n]]
    belongs = {expected[n]: n for n in wrong}
    pairs = []
    for one in wrong:
        other = belongs.get(given[one])
        if other is not None and one < other and given[other] == expected[one]:
            pairs.append((one, other))
    often = Counter(element for element in given if element in {given[n] for pair in pairs for n in pair})
    return [pair for pair in pairs if all(often[given[n]] == 1 for n in pair)]  # one that is there twice was inserted


def _differences(given: Sequence[Hashable | None], expected: Sequence[Hashable]) -> Iterator[Difference]:
    """The edits apart from exchanges: between anchors, which kept their order, what is missing and what is new."""
    start, given_end, expected_end = _differing(given, expected)
    index = {expected[n]: n for n in range(start, expected_end)}
    known = {n: index[element] for n in range(start, given_end) if (element := given[n]) in index}
    anchors = _longest_rising(known)
    held = {known[n] for n in anchors}
    moved = {n: place for n, place in known.items() if place not in held}
    yield from (Difference(Edit.SWAPPED, n, place) for n, place in moved.items())
    elsewhere = set(moved.values())
    end = (given_end, expected_end)
    after, place_after = start, start
    for until, place in [*((n, known[n]) for n in anchors), end]:
        missing = [n for n in range(place_after, place) if n not in elsewhere]
        new = [n for n in range(after, until) if given[n] is not None and n not in moved]
        open_end = (until, place) == end == (len(given), len(expected))
        for lost, found in zip(missing, new, strict=False):
            yield Difference(Edit.CHANGED, found, lost)
        for lost in missing[len(new) :]:
            yield Difference(Edit.CUT if open_end else Edit.DROPPED, None, lost)
        for found in new[len(missing) :]:
            if not open_end or found in known:
                yield Difference(Edit.INSERTED, found, None)
        after, place_after = until + 1, place + 1


def _differing(given: Sequence[Hashable | None], expected: Sequence[Hashable]) -> tuple[int, int, int]:
    """The stretch that differs: where it starts in both, where it ends in each; so that a long log costs no more."""
    shorter = min(len(given), len(expected))
    start = 0
    while start < shorter and given[start] == expected[start]:
        start += 1
    ends = [(len(given), len(expected))]
    if len(given) > len(expected):
        ends.append((len(expected), len(expected)))  # the log has grown since
    best, longest = ends[0], 0
    for given_end, expected_end in ends:
        same = 0
        while same < shorter - start and given[given_end - same - 1] == expected[expected_end - same - 1]:
            same += 1
        if same > longest:
            best, longest = (given_end - same, expected_end - same), same
    return start, *best


def _longest_rising(places: Mapping[int, int]) -> list[int]:
    """The keys, in order, of a longest strictly rising subsequence of the values (patience sorting, O(n log n))."""
    tops: list[int] = []
    ends: list[int] = []
    before: dict[int, int | None] = {}
    for n, place in places.items():
        pile = bisect_left(tops, place)
        before[n] = ends[pile - 1] if pile else None
        tops[pile : pile + 1] = [place]
        ends[pile : pile + 1] = [n]
    chain: list[int] = []
    last = ends[-1] if ends else None
    while last is not None:
        chain.append(last)
        last = before[last]
    return chain[::-1]

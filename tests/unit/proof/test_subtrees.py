"""Proofs from kept hashes are those of the RFC's own definitions, at every size, and read few hashes at any."""

from functools import cache
from hashlib import sha256
from itertools import pairwise
from random import Random

import pytest

from shared.proof.merkle import STEP, consistent, extend, leaf_hash, node_hash, root_from_inclusion
from shared.proof.subtrees import Run, Span, Tree, consistency_spans, inclusion_spans, needed


def sha(data: bytes) -> bytes:
    return sha256(data).digest()


LEAVES = [leaf_hash(str(n).encode(), sha) for n in range(66_500)]
FULL = {(0, n): leaf for n, leaf in enumerate(LEAVES)} | {
    (height, number): hash for height, number, hash in extend(0, (), LEAVES, sha).completed
}
BORDERS = (255, 256, 257, 511, 512, 513, 65_279, 65_280, 65_281, 65_535, 65_536, 65_537, 65_792, 66_500)


@cache
def mth(start: int, end: int) -> bytes:
    """MTH(D[start:end]) word for word as RFC 9162 2.1.1 defines it."""
    if end - start == 1:
        return LEAVES[start]
    k = split(end - start)
    return node_hash(mth(start, start + k), mth(start + k, end), sha)


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path(m: int, start: int, end: int) -> list[bytes]:
    """PATH(m, D[start:end]) of RFC 9162 2.1.3.1."""
    n = end - start
    if n == 1:
        return []
    k = split(n)
    if m < k:
        return [*path(m, start, start + k), mth(start + k, end)]
    return [*path(m - k, start + k, end), mth(start, start + k)]


def subproof(m: int, start: int, end: int, b: bool) -> list[bytes]:
    """SUBPROOF(m, D[start:end], b) of RFC 9162 2.1.4.1."""
    n = end - start
    if m == n:
        return [] if b else [mth(start, end)]
    k = split(n)
    if m <= k:
        return [*subproof(m, start, start + k, b), mth(start + k, end)]
    return [*subproof(m - k, start + k, end, False), mth(start, start + k)]


def only(spans: list[Span]) -> Tree:
    """A tree that has nothing but what these spans are said to need."""
    return Tree({(h, n): FULL[h, n] for h, first, last in needed(spans) for n in range(first, last + 1)}, sha)


def check(index: int, first: int, size: int) -> None:
    assert only(inclusion_spans(index, size)).inclusion(index, size) == path(index, 0, size)
    assert only(consistency_spans(first, size)).consistency(first, size) == subproof(first, 0, size, True)


@pytest.mark.parametrize("sizes", [range(1, 34), range(34, 150), range(150, 300), range(300, 320)], ids=str)
def test_at_every_small_size_they_are_as_defined(sizes: range) -> None:
    random = Random(sizes.start)
    for size in sizes:
        every = range(size) if size < 34 else {0, size - 1, *(random.randrange(size) for _ in range(6))}
        for index in every:
            check(index, index + 1, size)
        assert only([Span(0, size)]).root(Span(0, size)) == mth(0, size)


@pytest.mark.parametrize("border", BORDERS)
def test_across_the_borders_of_kept_subtrees_they_are_as_defined(border: int) -> None:
    random = Random(border)
    for _ in range(12):
        size = min(len(LEAVES), border + random.randrange(6))
        near = [max(1, min(size, border - 3 + n)) for n in range(6)]
        for index in (random.randrange(size), random.choice(near) - 1):
            check(index, random.choice((random.randint(1, size), *near)), size)


def test_of_a_former_size_they_are_what_they_were_then() -> None:
    now, then = Tree.of(LEAVES, sha), Tree.of(LEAVES[:65_600], sha)
    for position in (1, 256, 257, 65_536, 65_537, 65_600):
        assert now.inclusion(position - 1, 65_600) == then.inclusion(position - 1, 65_600)
        proof = now.inclusion(position - 1, 65_600)
        assert root_from_inclusion(position - 1, 65_600, LEAVES[position - 1], proof, sha) == mth(0, 65_600)
        prefix = now.consistency(position, 65_600)
        assert prefix == then.consistency(position, 65_600)
        assert consistent(position, mth(0, position), 65_600, mth(0, 65_600), prefix, sha)


@pytest.mark.parametrize("cuts", [(1, 255, 256, 257), (65_535, 65_536), (300, 40_000, 66_000)], ids=str)
def test_a_log_that_grows_in_parts_completes_each_subtree_once(cuts: tuple[int, ...]) -> None:
    peaks: list[bytes] = []
    completed: dict[tuple[int, int], bytes] = {}
    for start, end in zip((0, *cuts), (*cuts, len(LEAVES)), strict=True):
        peaks, new = extend(start, peaks, LEAVES[start:end], sha)
        assert not completed.keys() & {(height, number) for height, number, _ in new}
        completed |= {(height, number): hash for height, number, hash in new}
    assert completed == {
        (height, number): mth(number << height, number + 1 << height)
        for height in (STEP, 2 * STEP)
        for number in range(len(LEAVES) >> height)
    }


def test_at_ten_million_a_proof_reads_about_nine_hundred_hashes_and_never_more_than_twelve() -> None:
    random, reads = Random(9162), []
    for _ in range(2000):
        size = random.randint(9_900_000, 10_000_000)
        for spans in (
            inclusion_spans(random.randrange(size), size),
            consistency_spans(random.randint(1, size), size),
        ):
            runs = needed(spans)
            assert len(runs) <= 12
            reads.append(sum(run.last - run.first + 1 for run in runs))
    assert max(reads) < 1_200
    assert 850 < sum(reads) / len(reads) < 950


def test_neighbours_are_read_in_one_run_and_nothing_twice() -> None:
    runs = needed([span for index in range(0, 40_000, 777) for span in inclusion_spans(index, 40_000)])
    for one, next in pairwise(runs):
        assert (one.height, one.last + 1) < (next.height, next.first)
    assert needed([Span(0, 256), Span(256, 512)]) == [Run(STEP, 0, 1)]


def test_many_proofs_are_made_from_what_is_read_for_all_of_them_at_once() -> None:
    indexes = [0, 1, 127, 128, 200, 255, 256, 40_000, 65_535, 65_536, 66_000]
    tree = only([span for index in indexes for span in inclusion_spans(index, 66_001)])
    assert [tree.inclusion(index, 66_001) for index in indexes] == [path(index, 0, 66_001) for index in indexes]


def test_a_hash_that_is_not_kept_is_an_error_and_never_a_proof() -> None:
    without = {place: hash for place, hash in FULL.items() if place != (STEP, 0)}
    with pytest.raises(KeyError):
        Tree(without, sha).inclusion(300, 600)

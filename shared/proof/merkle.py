"""Merkle log after RFC 9162 section 2.1, with the hash as a parameter (SM3 here, SHA-256 for the RFC's vectors)."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes

Hash = Callable[[bytes], bytes]

STEP = 8
"""The roots of perfect subtrees are kept at every so many heights: of 256, 65,536, 16,777,216 … leaves."""


def sm3(data: bytes) -> bytes:
    """GB/T 32905-2016."""
    digest = hashes.Hash(hashes.SM3())
    digest.update(data)
    return digest.finalize()


def leaf_hash(data: bytes, digest: Hash = sm3) -> bytes:
    return digest(b"\x00" + data)


def node_hash(left: bytes, right: bytes, digest: Hash = sm3) -> bytes:
    return digest(b"\x01" + left + right)


class Subtree(NamedTuple):
    """The root of a completed perfect subtree: of the leaves `number << height` to `(number + 1 << height) - 1`."""

    height: int
    number: int
    hash: bytes


class Grown(NamedTuple):
    """A log after more leaves: its peaks, and the subtrees of a kept height that they completed."""

    peaks: list[bytes]
    completed: list[Subtree]


def extend(size: int, peaks: Sequence[bytes], leaves: Iterable[bytes], digest: Hash = sm3) -> Grown:
    """Add leaves to a log of `size`, whose peaks are the roots of its perfect subtrees, largest first."""
    stack, completed = list(peaks), []
    for leaf in leaves:
        node, height, number = leaf, 0, size
        while number & 1:
            node = node_hash(stack.pop(), node, digest)
            height, number = height + 1, number >> 1
            if height % STEP == 0:
                completed.append(Subtree(height, number, node))
        stack.append(node)
        size += 1
    return Grown(stack, completed)


def root(peaks: Sequence[bytes], digest: Hash = sm3) -> bytes:
    """The root of a log with these peaks; the hash of nothing for an empty log."""
    if not peaks:
        return digest(b"")
    node = peaks[-1]
    for peak in reversed(peaks[:-1]):
        node = node_hash(peak, node, digest)
    return node


def tree_root(leaves: Iterable[bytes], digest: Hash = sm3) -> bytes:
    """MTH of RFC 9162 2.1.1, over leaf hashes."""
    return root(extend(0, (), leaves, digest).peaks, digest)


def root_from_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], digest: Hash = sm3) -> bytes | None:
    """The root that an inclusion proof leads to (RFC 9162 2.1.3.2), or None for a malformed proof."""
    if not 0 <= index < size:
        return None
    fn, sn, node = index, size - 1, leaf
    for step in proof:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            node = node_hash(step, node, digest)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            node = node_hash(node, step, digest)
        fn >>= 1
        sn >>= 1
    return node if sn == 0 else None


def consistent(
    first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes], digest: Hash = sm3
) -> bool:
    """Whether a consistency proof holds (RFC 9162 2.1.4.2)."""
    if not 0 < first <= second:
        return False
    if first == second:
        return first_root == second_root and not proof
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    old = new = path[0]
    for step in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            old, new = node_hash(step, old, digest), node_hash(step, new, digest)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            new = node_hash(new, step, digest)
        fn >>= 1
        sn >>= 1
    return sn == 0 and old == first_root and new == second_root

"""Merkle log after RFC 9162 section 2.1, with the hash as a parameter (SM3 here, SHA-256 for the RFC's vectors)."""

from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives import hashes

Hash = Callable[[bytes], bytes]


def sm3(data: bytes) -> bytes:
    """GB/T 32905-2016."""
    digest = hashes.Hash(hashes.SM3())
    digest.update(data)
    return digest.finalize()


def leaf_hash(data: bytes, digest: Hash = sm3) -> bytes:
    return digest(b"\x00" + data)


def node_hash(left: bytes, right: bytes, digest: Hash = sm3) -> bytes:
    return digest(b"\x01" + left + right)


def extend(size: int, peaks: Sequence[bytes], leaves: Sequence[bytes], digest: Hash = sm3) -> list[bytes]:
    """The peaks after adding leaves to a log of `size`: the roots of its perfect subtrees, largest first."""
    stack = list(peaks)
    for leaf in leaves:
        node = leaf
        bits = size
        while bits & 1:
            node = node_hash(stack.pop(), node, digest)
            bits >>= 1
        stack.append(node)
        size += 1
    return stack


def root(peaks: Sequence[bytes], digest: Hash = sm3) -> bytes:
    """The root of a log with these peaks; the hash of nothing for an empty log."""
    if not peaks:
        return digest(b"")
    node = peaks[-1]
    for peak in reversed(peaks[:-1]):
        node = node_hash(peak, node, digest)
    return node


def _split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    return 1 << (count - 1).bit_length() - 1


def tree_root(leaves: Sequence[bytes], digest: Hash = sm3) -> bytes:
    """MTH of RFC 9162 2.1.1, over leaf hashes."""
    return root(extend(0, (), leaves, digest), digest)


def inclusion_proof(index: int, leaves: Sequence[bytes], digest: Hash = sm3) -> list[bytes]:
    """PATH(index, leaves) of RFC 9162 2.1.3.1. Raises IndexError outside the log."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*inclusion_proof(index, leaves[:k], digest), tree_root(leaves[k:], digest)]
    return [*inclusion_proof(index - k, leaves[k:], digest), tree_root(leaves[:k], digest)]


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


def consistency_proof(first: int, leaves: Sequence[bytes], digest: Hash = sm3) -> list[bytes]:
    """PROOF(first, leaves) of RFC 9162 2.1.4.1: that the log of `first` leaves is a prefix of this one."""
    if not 0 < first <= len(leaves):
        raise IndexError(first)
    return _subproof(first, leaves, True, digest)


def _subproof(first: int, leaves: Sequence[bytes], whole: bool, digest: Hash) -> list[bytes]:
    if first == len(leaves):
        return [] if whole else [tree_root(leaves, digest)]
    k = _split(len(leaves))
    if first <= k:
        return [*_subproof(first, leaves[:k], whole, digest), tree_root(leaves[k:], digest)]
    return [*_subproof(first - k, leaves[k:], False, digest), tree_root(leaves[:k], digest)]


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

"""The Merkle log: the vectors that everyone knows, and proofs that hold exactly when they should."""

from hashlib import sha256

import pytest
from hypothesis import assume, settings
from hypothesis import given as every
from hypothesis import strategies as st

from shared.proof.merkle import (
    Hash,
    consistent,
    extend,
    leaf_hash,
    node_hash,
    root,
    root_from_inclusion,
    sm3,
    tree_root,
)
from shared.proof.subtrees import Tree


def sha(data: bytes) -> bytes:
    return sha256(data).digest()


# The leaves and roots of the certificate-transparency reference tests (RFC 6962 and RFC 9162 share the structure).
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
HASHED = [leaf_hash(leaf, sha) for leaf in LEAVES]


def inclusion_proof(index: int, leaves: list[bytes], digest: Hash = sm3) -> list[bytes]:
    return Tree.of(leaves, digest).inclusion(index, len(leaves))


def consistency_proof(first: int, leaves: list[bytes], digest: Hash = sm3) -> list[bytes]:
    return Tree.of(leaves, digest).consistency(first, len(leaves))


def hexed(proof: list[bytes]) -> list[str]:
    return [step.hex() for step in proof]


@pytest.mark.parametrize("size", range(9))
def test_the_roots_of_the_reference_tree(size: int) -> None:
    assert tree_root(HASHED[:size], sha).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_the_inclusion_proofs_of_the_reference_tree(index: int, size: int) -> None:
    proof = inclusion_proof(index, HASHED[:size], sha)
    assert hexed(proof) == INCLUSION[index, size]
    found = root_from_inclusion(index, size, HASHED[index], proof, sha)
    assert found is not None
    assert found.hex() == ROOTS[size]


@pytest.mark.parametrize(("first", "second"), CONSISTENCY)
def test_the_consistency_proofs_of_the_reference_tree(first: int, second: int) -> None:
    proof = consistency_proof(first, HASHED[:second], sha)
    assert hexed(proof) == CONSISTENCY[first, second]
    assert consistent(first, bytes.fromhex(ROOTS[first]), second, bytes.fromhex(ROOTS[second]), proof, sha)


# The tree of seven leaves that RFC 6962 2.1.3 and RFC 9162 2.1.5 draw; its nodes have the names that they have there.
D = [leaf_hash(bytes([n]), sha) for n in range(7)]
NODES = dict(zip("abcdefj", D, strict=True))
for name, left, right in ("gab", "hcd", "ief", "kgh", "lij"):
    NODES[name] = node_hash(NODES[left], NODES[right], sha)
DRAWN = node_hash(NODES["k"], NODES["l"], sha)


@pytest.mark.parametrize(("index", "names"), [(0, "bhl"), (3, "cgl"), (4, "fjk"), (6, "ik")])
def test_the_audit_paths_that_the_rfc_spells_out(index: int, names: str) -> None:
    proof = inclusion_proof(index, D, sha)
    assert proof == [NODES[name] for name in names]
    assert root_from_inclusion(index, 7, D[index], proof, sha) == DRAWN


@pytest.mark.parametrize(("first", "names"), [(3, "cdgl"), (4, "l"), (6, "ijk")])
def test_the_consistency_proofs_that_the_rfc_spells_out(first: int, names: str) -> None:
    proof = consistency_proof(first, D, sha)
    assert proof == [NODES[name] for name in names]
    assert consistent(first, tree_root(D[:first], sha), 7, DRAWN, proof, sha)


def test_sm3_is_the_standards() -> None:
    assert sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert sm3(b"abcd" * 16).hex() == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"


def test_a_leaf_is_never_a_node() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)
    assert leaf_hash(b"") != sm3(b"")


def recursive_root(leaves: list[bytes], digest: Hash) -> bytes:
    """MTH word for word as RFC 9162 2.1.1 defines it."""
    if not leaves:
        return digest(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(recursive_root(leaves[:k], digest), recursive_root(leaves[k:], digest), digest)


LOGS = st.integers(1, 70).map(lambda size: [leaf_hash(str(n).encode()) for n in range(size)])
FEW = settings(max_examples=80, deadline=None)


@FEW
@every(LOGS, st.integers(0, 70))
def test_a_log_that_grows_in_parts_has_the_root_of_its_leaves(leaves: list[bytes], cut: int) -> None:
    cut = min(cut, len(leaves))
    peaks = extend(cut, extend(0, (), leaves[:cut]).peaks, leaves[cut:]).peaks
    assert root(peaks) == tree_root(leaves) == recursive_root(leaves, sm3)
    assert len(peaks) == len(leaves).bit_count()


@FEW
@every(LOGS, st.data())
def test_every_leaf_is_proved_included(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = inclusion_proof(index, leaves)
    assert root_from_inclusion(index, len(leaves), leaves[index], proof) == tree_root(leaves)
    assert len(proof) <= (len(leaves) - 1).bit_length()


def changed(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]


@FEW
@every(LOGS, st.data())
def test_another_leaf_index_size_or_step_proves_nothing(leaves: list[bytes], data: st.DataObject) -> None:
    size, real = len(leaves), tree_root(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, leaves)
    assert root_from_inclusion(index, size, changed(leaves[index]), proof) != real
    other = data.draw(st.integers(-2, size + 2))
    if other != index:
        assert root_from_inclusion(other, size, leaves[index], proof) != real
    assert root_from_inclusion(index, size, leaves[index], [*proof, real]) != real
    if proof:
        assert root_from_inclusion(index, size, leaves[index], proof[:-1]) != real
        where = data.draw(st.integers(0, len(proof) - 1))
        bent = [changed(step) if n == where else step for n, step in enumerate(proof)]
        assert root_from_inclusion(index, size, leaves[index], bent) != real


@FEW
@every(LOGS, st.integers(1, 140))
def test_a_size_whose_proof_would_have_another_length_is_refused(leaves: list[bytes], size: int) -> None:
    index = len(leaves) - 1
    proof = inclusion_proof(index, leaves)
    assume(size > index)
    claimed = [leaf_hash(b"x")] * size
    if len(inclusion_proof(index, claimed)) != len(proof):
        assert root_from_inclusion(index, size, leaves[index], proof) is None


@FEW
@every(LOGS, st.data())
def test_every_earlier_log_is_proved_a_prefix(leaves: list[bytes], data: st.DataObject) -> None:
    first = data.draw(st.integers(1, len(leaves)))
    proof = consistency_proof(first, leaves)
    assert consistent(first, tree_root(leaves[:first]), len(leaves), tree_root(leaves), proof)


@FEW
@every(LOGS, st.data())
def test_a_rewritten_cut_or_bent_log_is_no_continuation(leaves: list[bytes], data: st.DataObject) -> None:
    size = len(leaves)
    first = data.draw(st.integers(1, size))
    proof, old, new = consistency_proof(first, leaves), tree_root(leaves[:first]), tree_root(leaves)
    victim = data.draw(st.integers(0, first - 1))
    rewritten = [changed(leaf) if n == victim else leaf for n, leaf in enumerate(leaves)]
    assert not consistent(first, old, size, tree_root(rewritten), consistency_proof(first, rewritten))
    assert not consistent(first, changed(old), size, new, proof)
    assert not consistent(first, old, size, changed(new), proof)
    assert not consistent(first, old, size, new, [*proof, old])
    if proof:
        assert not consistent(first, old, size, new, proof[:-1])
        where = data.draw(st.integers(0, len(proof) - 1))
        bent = [changed(step) if n == where else step for n, step in enumerate(proof)]
        assert not consistent(first, old, size, new, bent)
    if first < size:
        assert not consistent(size, new, first, old, proof)


def test_a_head_of_the_same_size_with_another_root_is_a_contradiction() -> None:
    one, other = tree_root(HASHED, sha), tree_root(HASHED[::-1], sha)
    assert consistent(8, one, 8, one, [], sha)
    assert not consistent(8, one, 8, other, [], sha)


@pytest.mark.parametrize("index", [-1, 8, 100])
def test_there_is_no_proof_outside_the_log(index: int) -> None:
    with pytest.raises(IndexError):
        inclusion_proof(index, HASHED, sha)
    assert root_from_inclusion(index, 8, HASHED[0], [], sha) is None


@pytest.mark.parametrize("first", [-1, 0, 9])
def test_there_is_no_consistency_with_what_is_no_earlier_log(first: int) -> None:
    with pytest.raises(IndexError):
        consistency_proof(first, HASHED, sha)
    assert not consistent(first, b"", 8, tree_root(HASHED, sha), [], sha)

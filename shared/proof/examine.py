"""The examination of a copied log: every falsification, named as what it is. Needs files only, no service.

What it can tell depends on what it is given beside the copy:

- *Nothing*: a record that differs from its kept leaf (changed), a missing position (dropped), and what records say by
  themselves, such as a stream's missing version (dropped), one twice (inserted) or two in the wrong order (swapped;
  a forged version put in before its predecessors looks the same).
- *A signed head*: that anything at all was done to what it covers. A forger who recomputes the leaves is found so:
  "rewritten", between the last head that fits and the first that does not. A log shorter than a head is "truncated":
  where nothing else speaks for it, a record taken out of the middle with the positions closed up looks the same.
- *An older head*, kept where the forger cannot reach it: a history rewritten and signed anew with the service's own,
  stolen key ("re_signed"). Without it, and without a witness, nothing tells such a log from a true one.
- *A witness*, the leaves as somebody else received them (the archive): which it was and at which position, always;
  except that of the witness's very last record, taken out of a log that has grown since, it says "changed".

The witness is believed: a head that contradicts it is named, and so is every record.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from shared.proof.alignment import Edit, align
from shared.proof.findings import Entry, Finding, Kind
from shared.proof.heads import SignedHead, verify_head
from shared.proof.merkle import extend, leaf_hash, root
from shared.proof.structure import Structure

Roots = Mapping[int, Collection[str]]
"""The roots, in hexadecimal, by the size of the log."""


class Leaf(NamedTuple):
    """A position of the copy, the leaf that is kept for it, and the one that its record has."""

    position: int
    kept: bytes
    own: bytes


def examine(
    entries: Iterable[Entry],
    heads: Iterable[SignedHead] = (),
    keys: Collection[bytes] = (),
    witness: Sequence[bytes] = (),
) -> list[Finding]:
    """Examine a copy of one service's log; the findings in order of position.

    `heads` are those that somebody holds, old ones above all; `keys` the service's public keys (Ed25519, 32 bytes) as
    known from elsewhere; `witness` the leaves of positions 1, 2, 3 … as an independent party received them. A log that
    has grown since a head was signed, or since the witness looked, is no finding. The records are read once, in any
    order, and not held.
    """
    copy: list[Leaf] = []
    structure = Structure()
    for entry in entries:
        copy.append(Leaf(entry.position, entry.leaf, leaf_hash(entry.data)))
        structure.read(entry.position, entry.data)
    copy.sort()
    signed: dict[int, set[str]] = defaultdict(set)
    strange, newest = [], None
    for held in heads:
        if held.head.hash == "sm3" and any(verify_head(held, key) for key in keys):
            signed[held.head.tree_size].add(held.head.root)
            newest = held.head if newest is None or newest.tree_size < held.head.tree_size else newest
        else:
            strange.append(_strange(held))
    gaps, altered = list(_gaps(copy)), list(_altered(copy))
    differing = list(_against_witness(copy, witness))
    said = structure.findings(None if newest is None else newest.log_id)
    local = _distinct([*gaps, *differing, *_unexplained(said, [*gaps, *altered], differing)])
    about_heads = [*strange, *_two_roots(signed), *_against_heads(copy, signed, witness, local)]
    return _distinct([*altered, *local, *about_heads])


def _strange(signed: SignedHead) -> Finding:
    size = signed.head.tree_size
    return Finding(Kind.RE_SIGNED, size, size, f"大小 {size} 的日志头不是用本服务的密钥签名的", 0)


def _two_roots(signed: Roots) -> Iterator[Finding]:
    for size, roots in signed.items():
        if len(roots) > 1:
            told = f"大小 {size} 有两个签名有效而根不同的日志头：历史被改写后重新签名"
            yield Finding(Kind.RE_SIGNED, size, size, told, 0)


def _gaps(copy: Sequence[Leaf]) -> Iterator[Finding]:
    """Positions that are missing, or there twice."""
    last = 0
    for leaf in copy:
        at = leaf.position
        if at <= last:
            yield Finding(Kind.INSERTED, at, at, f"位置 {at} 不止一个记录")
        elif at > last + 1:
            yield _gone(Kind.DROPPED, last + 1, at - 1)
        last = max(last, at)


def _gone(kind: Kind, first: int, last: int) -> Finding:
    where = f"位置 {first}" if first == last else f"位置 {first} 至 {last}"
    told = f"{where} 的记录被删除" if kind is Kind.DROPPED else f"日志被截短：缺少{where}"
    return Finding(kind, first, last, told, last - first + 1)


def _altered(copy: Sequence[Leaf]) -> Iterator[Finding]:
    """Records that are not those of their kept leaves."""
    for at, kept, own in copy:
        if kept != own:
            yield Finding(Kind.CHANGED, at, at, f"位置 {at} 的记录与所存的叶散列不符")


def _against_witness(copy: Sequence[Leaf], witness: Sequence[bytes]) -> Iterator[Finding]:
    """Where the kept leaves differ from the witness's."""
    kept = {leaf.position: leaf.kept for leaf in copy}
    beyond = sorted(position for position in kept if position > len(witness))
    positions = [*range(1, len(witness) + 1), *beyond]
    gone: list[tuple[Kind, int, int]] = []
    for edit, at, expected in align([kept.get(position) for position in positions], witness):
        place = 0 if expected is None else expected + 1
        where = place if at is None else positions[at]
        match edit:
            case Edit.SWAPPED:
                first, last = min(where, place), max(where, place)
                yield Finding(Kind.SWAPPED, first, last, f"位置 {first} 与 {last} 的记录被调换", 2)
            case Edit.CHANGED:
                yield Finding(Kind.CHANGED, where, where, f"位置 {where} 的记录被改动，与独立见证不同")
            case Edit.INSERTED:
                yield Finding(Kind.INSERTED, where, where, f"位置 {where} 的记录是插入的，独立见证没有它")
            case Edit.DROPPED | Edit.CUT:
                kind = Kind.DROPPED if edit is Edit.DROPPED else Kind.TRUNCATED
                if gone and gone[-1][::2] == (kind, place - 1):
                    gone[-1] = (kind, gone[-1][1], place)
                else:
                    gone.append((kind, place, place))
    yield from (_gone(*run) for run in gone)


def _unexplained(said: Iterable[Finding], known: Sequence[Finding], differing: Sequence[Finding]) -> Iterator[Finding]:
    """What records say by themselves, unless it comes from what is known or the witness has said.

    A version is no further loss where a position is missing or a record cannot be read or trusted.
    """
    first = min((finding.position for finding in differing), default=None)
    found = [finding for finding in said if first is None or finding.until < first]
    doubtful = [*known, *(finding for finding in found if finding.kind is Kind.CHANGED)]
    for finding in found:
        if finding.kind is not Kind.DROPPED or not _any_within(doubtful, finding.position, finding.until):
            yield finding


def _against_heads(
    copy: Sequence[Leaf], signed: Roots, witness: Sequence[bytes], local: Sequence[Finding]
) -> Iterator[Finding]:
    """What the heads say of the copy as a whole, where nothing else has said it.

    The copy fits a head when its kept leaves do, or those of its records: where these differ it has been said.
    """
    kept = _roots([leaf.kept for leaf in copy], signed)
    own = _roots([leaf.own for leaf in copy], signed)
    seen = _roots(witness, signed)
    denied = [size for size in seen if seen[size] not in signed[size]]
    if denied:
        told = f"大小 {denied[0]} 的日志头签名有效，但与独立见证不符：历史被改写后重新签名"
        yield Finding(Kind.RE_SIGNED, denied[0], denied[0], told, 0)
    fitting = {size for size in kept if {kept[size], own[size]} & set(signed[size])}
    first = next((size for size in kept if size not in fitting), None)
    if first is not None:
        since = max((size for size in fitting if size < first), default=0) + 1
        again = min((size for size in fitting if size > first), default=None)
        if again is not None:
            told = (
                f"大小 {again} 与 {first} 的日志头签名都有效而互相抵触："
                f"位置 {since} 至 {first} 之间的历史被改写后重新签名"
            )
            yield Finding(Kind.RE_SIGNED, again, again, told, 0)
        elif first not in seen and not _any_within(local, since, first):
            yield Finding(Kind.REWRITTEN, since, first, f"位置 {since} 至 {first} 之间的内容与签名时不同")
    largest = max((size for size in signed if size not in fitting), default=0)
    taken = sum(finding.events for finding in local if finding.kind is Kind.DROPPED)
    added = sum(finding.events for finding in local if finding.kind is Kind.INSERTED)
    if largest - len(copy) > taken - added:
        yield _gone(Kind.TRUNCATED, len(copy) + taken - added + 1, largest)


def _roots(leaves: Sequence[bytes], sizes: Iterable[int]) -> dict[int, str]:
    """The root at each of these sizes, in their order, as far as the leaves go."""
    roots, at, peaks = {}, 0, list[bytes]()
    for size in sorted(sizes):
        if size > len(leaves):
            break
        peaks = extend(at, peaks, leaves[at:size]).peaks
        roots[size], at = root(peaks).hex(), size
    return roots


def _any_within(findings: Iterable[Finding], first: int, last: int) -> bool:
    return any(finding.position <= last and finding.until >= first for finding in findings)


def _distinct(findings: Iterable[Finding]) -> list[Finding]:
    """Each falsification once, in order of position."""
    named: dict[tuple[Kind, int], Finding] = {}
    for finding in findings:
        named.setdefault((finding.kind, finding.position), finding)
    return sorted(named.values(), key=lambda finding: (finding.position, finding.kind))

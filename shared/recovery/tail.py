"""The lost tail: what a service's log held behind its backup, put together from what others hold of it.

Nothing is guessed. Every position up to the last one that anybody knows of has to be there, byte for byte the same
wherever it is held, and the roots have to be those of the heads that were signed: else it is refused, and said what
lacks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from shared.eventstore.record import Record, canonical, parse
from shared.proof.heads import Head
from shared.proof.merkle import extend, leaf_hash, root

SEALED = frozenset({"subject", "alg", "field", "box"})
"""The fields of a sealed value as it stands in an event."""
TOLD = 5
"""How many runs of missing positions, or contradictions, are told one by one."""


class CannotReconcile(Exception):
    """Why a log cannot become itself again; `reasons` are for the operator."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


class Witness(NamedTuple):
    """Someone who holds some of the tail, or knows that there was one.

    `records` are canonical bytes by position; `reaches` is the last position that it holds, or has applied.
    """

    name: str
    records: Mapping[int, bytes]
    reaches: int


class Placed(NamedTuple):
    """A record of the tail: where it stands, what it is, and the bytes it was first written as."""

    position: int
    record: Record
    data: bytes


def assemble(log_id: UUID, after: int, witnesses: Sequence[Witness], heads: Iterable[Head]) -> list[Placed]:
    """The records behind a position, all of them up to the last that anybody knows of. Raises `CannotReconcile`.

    `log_id` is the id under which they were written; `heads` are those of the log that are its service's own.
    """
    known = {witness.name: witness.reaches for witness in witnesses}
    known["a signed head"] = max((head.tree_size for head in heads), default=0)
    until = max(known.values())
    found: dict[int, tuple[bytes, str]] = {}
    reasons = []
    for witness in witnesses:
        for position, data in witness.records.items():
            first, of = found.setdefault(position, (data, witness.name))
            if first != data:
                reasons.append(f"position {position} is not the same in {of} and in {witness.name}")
    if missing := _gaps(after, sorted(position for position in found if position > after), until):
        who = ", ".join(f"{name} ({reaches})" for name, reaches in known.items() if reaches >= missing[0][0])
        reasons.append(f"nobody holds {', '.join(_told(missing))}; they were there, by {who}")
    if reasons:
        raise CannotReconcile(_first(reasons))
    placed = [
        Placed(position, _record(log_id, position, *found[position]), found[position][0])
        for position in range(after + 1, until + 1)
    ]
    _check_versions(placed)
    return placed


def _record(log_id: UUID, position: int, data: bytes, of: str) -> Record:
    try:
        record = parse(data)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise CannotReconcile([f"position {position} in {of} is no record"]) from error
    if record.log_id != log_id or canonical(record) != data or record.correlation_id is None:
        raise CannotReconcile([f"position {position} in {of} is not as this service writes records"])
    return record


def _check_versions(placed: Iterable[Placed]) -> None:
    """Within a stream versions follow one another."""
    last: dict[str, int] = {}
    for position, record, _ in placed:
        if record.version != last.get(record.stream, record.version - 1) + 1:
            raise CannotReconcile([f"position {position}: {record.stream} has no version {record.version - 1}"])
        last[record.stream] = record.version


def check_roots(size: int, peaks: Sequence[bytes], placed: Sequence[Placed], heads: Iterable[Head]) -> None:
    """Grow a log of `size` by the tail and compare its root at the size of every head. Raises `CannotReconcile`."""
    wanted: dict[int, set[str]] = {}
    for head in heads:
        wanted.setdefault(head.tree_size, set()).add(head.root)
    reasons = []
    grown = list(peaks)
    for position, _, data in placed:
        grown = extend(position - 1, grown, [leaf_hash(data)]).peaks
        reached = root(grown).hex()
        reasons += [
            f"the signed head of {position} events has the root {other}, the records lead to {reached}"
            for other in sorted(wanted.get(position, set()) - {reached})
        ]
    if reasons:
        raise CannotReconcile(_first(reasons))


def subjects_of(record: Record) -> set[str]:
    """Whose personal data a record holds sealed."""
    return set(_sealed_for(msgspec.json.decode(bytes(record.payload))))


def _sealed_for(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.keys() == SEALED:
            yield value["subject"]
        else:
            for inner in value.values():
                yield from _sealed_for(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _sealed_for(inner)


def _gaps(after: int, held: Iterable[int], until: int) -> list[tuple[int, int]]:
    """The first and last position of each gap between `after` and `until`; `held` ascend."""
    gaps, expected = [], after + 1
    for position in (*held, until + 1):
        if position > expected:
            gaps.append((expected, position - 1))
        expected = position + 1
    return gaps


def _told(gaps: Sequence[tuple[int, int]]) -> list[str]:
    """`4 to 9` for positions that follow one another."""
    told = [f"positions {first}" if first == last else f"positions {first} to {last}" for first, last in gaps[:TOLD]]
    return told if len(gaps) <= TOLD else [*told, f"and {len(gaps) - TOLD} more runs"]


def _first(reasons: Sequence[str]) -> list[str]:
    return list(reasons[:TOLD]) + ([f"and {len(reasons) - TOLD} more"] if len(reasons) > TOLD else [])

"""What the records of a log say of its wholeness by themselves: their versions, ids and log id."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count

import msgspec

from shared.eventstore.record import parse
from shared.proof.alignment import Edit, align
from shared.proof.findings import Finding, Kind

MISSING_AT_MOST = 10_000
"""How many versions of a stream may be missing; a version beyond is a forged number, not a gap."""


class Structure:
    """Reads records one by one, in any order, and keeps of them no more than it needs."""

    def __init__(self) -> None:
        self._unreadable: list[int] = []
        self._logs: dict[str, list[int]] = defaultdict(list)
        self._ids: dict[int, int] = {}
        self._twice: list[tuple[int, int]] = []
        self._streams: dict[str, list[tuple[int, int]]] = defaultdict(list)

    def read(self, position: int, data: bytes) -> None:
        """One more record: its position and canonical bytes."""
        try:
            record = parse(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._unreadable.append(position)
            return
        self._logs[str(record.log_id)].append(position)
        before = self._ids.setdefault(record.id.int, position)
        if before != position:
            self._twice.append((min(before, position), max(before, position)))
        self._streams[record.stream].append((position, record.version))

    def findings(self, log_id: str | None) -> Iterator[Finding]:
        """Unreadable records, strange log ids, repeated event ids, and streams whose versions are not 1, 2, 3 …

        Without a `log_id` the log's is that which most of its records name. A record that was dropped with the
        positions closed up behind it is placed between its neighbours in its stream; the newest of a stream leaves no
        trace here.
        """
        for position in self._unreadable:
            yield Finding(Kind.CHANGED, position, position, f"位置 {position} 的内容已不是一条记录")
        own = log_id or max(self._logs, key=lambda name: len(self._logs[name]), default=None)
        for name, positions in self._logs.items():
            for position in positions if name != own else ():
                yield Finding(Kind.CHANGED, position, position, f"位置 {position} 的记录属于另一个日志 {name}")
        for first, second in self._twice:
            yield _twice(first, second, "同一事件编号")
        for stream, versions in self._streams.items():
            yield from _examine_stream(stream, sorted(versions))


def _twice(first: int, second: int, what: str) -> Finding:
    return Finding(Kind.INSERTED, first, second, f"{what} 在位置 {first} 和 {second} 出现两次，其一是插入的")


def _examine_stream(stream: str, versions: Sequence[tuple[int, int]]) -> Iterator[Finding]:
    """Hold a stream's versions, in order of position, against 1, 2, 3 …"""
    most = len(versions) + MISSING_AT_MOST
    for position, version in versions:
        if not 1 <= version <= most:
            yield Finding(Kind.CHANGED, position, position, f"位置 {position} 的记录自称 {stream} 的版本 {version}")
    held = [(position, version) for position, version in versions if 1 <= version <= most]
    given = [version for _, version in held]
    if given == list(range(1, len(given) + 1)):
        return
    missing: set[int] = set()
    for edit, at, expected in align(given, range(1, max(given) + 1)):
        if edit is Edit.SWAPPED and at is not None and expected is not None:
            first, last = sorted((held[at][0], held[min(expected, len(held) - 1)][0]))
            yield Finding(Kind.SWAPPED, first, last, f"{stream} 的版本次序颠倒：位置 {first} 与 {last}", 2)
            continue
        if at is not None:
            first, last = sorted(position for position, version in held if version == given[at])[:2]
            yield _twice(first, last, f"{stream} 的版本 {given[at]}")
        if expected is not None:
            missing.add(expected + 1)
    for version in sorted(missing):
        if version - 1 not in missing:
            yield _lost(stream, held, version, next(v for v in count(version) if v + 1 not in missing))


def _lost(stream: str, held: Sequence[tuple[int, int]], since: int, until: int) -> Finding:
    """Neighbouring versions that are nowhere, placed between those around them."""
    first = max((position for position, version in held if version < since), default=0) + 1
    last = max(first, min((position for position, version in held if version > until), default=first))
    which = f"版本 {since}" if since == until else f"版本 {since} 至 {until}"
    told = f"{stream} 缺少{which}，原在位置 {first} 至 {last} 之间"
    return Finding(Kind.DROPPED, first, last, told, until - since + 1)

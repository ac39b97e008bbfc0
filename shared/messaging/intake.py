"""Intake: what a service keeps of other services' events, and which of them its processes react to."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import asyncpg
import msgspec

from shared.eventstore.needs import Fact
from shared.eventstore.record import Record
from shared.messaging.inbox import CannotHandle
from shared.messaging.topics import Delivered

E = TypeVar("E", bound=msgspec.Struct)
F = TypeVar("F", bound=Fact)
LONGEST_VERSION = 9
"""Digits: what has more after its `.v` is no version of anything."""


class Foreign(msgspec.Struct, frozen=True):
    """A tolerant view of another service's event: only the fields that we use; others may come and go."""


class Note(NamedTuple):
    """Bring a fact up to date: `update(what we knew or None) -> what we know now, or None to forget`.

    `needs_known` is for updates that only make sense of a known fact; the message is parked where there is none.
    """

    kind: type[Fact]
    key: str
    update: Callable[[Any], Fact | None]
    needs_known: bool = False


class Listens(NamedTuple, Generic[E]):
    """For one event type: how to read it, and what to note of it."""

    tag: str
    event: type[E]
    notes: Callable[[Record, E], Iterable[Note]]


def keep(fact: Fact, key: str) -> Note:
    """Note a fact as it is, whatever was known before."""
    return Note(type(fact), key, lambda _: fact)


def name_and_version(tag: str) -> tuple[str, int]:
    """`subsidy.ClaimSubmitted.v2` is version 2 of `subsidy.ClaimSubmitted`; a tag without a version is its first."""
    name, _, version = tag.rpartition(".v")
    return (name, int(version)) if name and version.isdecimal() and len(version) <= LONGEST_VERSION else (tag, 1)


class Intake:
    """The effect of a consumer: facts, and reactions waiting for their processes, in one transaction."""

    def __init__(self, listens: Sequence[Listens[Any]], reacts_to: Iterable[str] = ()) -> None:
        self._listens = {item.tag: item for item in listens}
        self._decoders = {item.tag: msgspec.json.Decoder(item.event) for item in listens}
        self._reacts_to = frozenset(reacts_to)
        self._newest: dict[str, int] = {}
        for name, version in map(name_and_version, self.tags):
            self._newest[name] = max(version, self._newest.get(name, 0))

    @property
    def tags(self) -> frozenset[str]:
        return frozenset(self._listens) | self._reacts_to

    async def effect(self, connection: asyncpg.Connection, batch: Sequence[Delivered]) -> None:
        """Keep what is to be kept of these events. What we never listened to is no concern of ours.

        Raises `CannotHandle` for a newer version of what we listen to: it waits for code that knows it.
        """
        for tag in dict.fromkeys(item.record.type for item in batch):
            name, version = name_and_version(tag)
            if version > self._newest.get(name, version):
                raise CannotHandle(f"{tag} 比本服务所知的版本新，升级后请重试")
        noted = [(item, note) for item in batch for note in self._notes(item)]
        if noted:
            await _write_facts(connection, noted)
        waiting = [item for item in batch if item.record.type in self._reacts_to]
        if waiting:
            await connection.executemany(
                "insert into reaction (source, stream, position, record) values ($1, $2, $3, $4)",
                [(item.source, item.record.stream, item.position, item.data) for item in waiting],
            )

    def _notes(self, item: Delivered) -> Iterable[Note]:
        listens = self._listens.get(item.record.type)
        if listens is None:
            return ()
        try:
            event = self._decoders[item.record.type].decode(item.record.payload)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise CannotHandle(f"内容与约定不符：{error}") from error
        return listens.notes(item.record, event)


async def _write_facts(connection: asyncpg.Connection, noted: Sequence[tuple[Delivered, Note]]) -> None:
    names = list(dict.fromkeys((note.kind.__name__, note.key) for _, note in noted))
    rows = await connection.fetch(
        "select f.kind, f.key, f.value from unnest($1::text[], $2::text[]) as w (kind, key)"
        " join fact f on f.kind = w.kind and f.key = w.key",
        [kind for kind, _ in names],
        [key for _, key in names],
    )
    before = {(row["kind"], row["key"]): row["value"] for row in rows}
    known: dict[tuple[str, str], tuple[Fact | None, Delivered]] = {}
    for item, note in noted:
        name = (note.kind.__name__, note.key)
        if name in known:
            old = known[name][0]
        else:
            value = before.get(name)
            old = None if value is None else msgspec.json.decode(value, type=note.kind)
        if old is None and note.needs_known:
            raise CannotHandle("前序消息缺失，无法更新尚不知道的内容")
        known[name] = (note.update(old), item)
    kept = sorted((*name, msgspec.json.encode(fact), item) for name, (fact, item) in known.items() if fact is not None)
    await connection.execute(
        "insert into fact (kind, key, value, log_id, position)"
        " select * from unnest($1::text[], $2::text[], $3::bytea[], $4::uuid[], $5::bigint[])"
        " on conflict (kind, key) do update"
        " set value = excluded.value, log_id = excluded.log_id, position = excluded.position",
        [kind for kind, _, _, _ in kept],
        [key for _, key, _, _ in kept],
        [value for _, _, value, _ in kept],
        [item.record.log_id for _, _, _, item in kept],
        [item.position for _, _, _, item in kept],
    )
    if forgotten := [name for name, (fact, _) in known.items() if fact is None]:
        await connection.executemany("delete from fact where kind = $1 and key = $2", forgotten)

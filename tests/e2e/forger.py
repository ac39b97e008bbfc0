"""Somebody who can write to every database and has a service's signing key; what is done is undone at the end."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import msgspec

from deploy.local.client import Client
from deploy.local.settings import StackSettings
from shared.eventstore.record import parse
from shared.proof.findings import Entry, read_records
from shared.proof.heads import SignedHead, Signer
from shared.proof.merkle import extend, leaf_hash, tree_root

TABLES = ("event", "log", "log_subtree", "log_head", "signed_head")


class Forger:
    """Rewrites the log of one service, which is at rest, so that all that it can be asked agrees with it."""

    def __init__(self, service: str, own: asyncpg.Connection, audit: asyncpg.Connection, stolen: Signer) -> None:
        self._service, self._own, self._audit, self._stolen = service, own, audit, stolen

    @classmethod
    @asynccontextmanager
    async def at(cls, settings: StackSettings, service: str) -> AsyncIterator["Forger"]:
        stolen = Signer.from_file(settings.secret(service, "log-signing.pem"), service)
        own = await asyncpg.connect(settings.databases[service])
        audit = await asyncpg.connect(settings.databases["audit"])
        try:
            for connection, tables in ((own, TABLES), (audit, ("archive",))):
                for table in tables:
                    await connection.execute(f"create temp table was_{table} as table {table}")
            try:
                yield cls(service, own, audit, stolen)
            finally:
                await _undo(own, audit)
        finally:
            await own.close()
            await audit.close()

    async def rewrite(self, client: Client, position: int) -> None:
        """Change an event, in the archive as well, and make the whole tree anew."""
        await self._own.execute(
            "update event e set payload = convert_to(replace(convert_from(payload, 'utf8'), '0', '1'), 'utf8')"
            " from log l where l.position = $1 and (e.stream, e.version) = (l.stream, l.version)",
            position,
        )
        log = await self._log(client)
        leaves = [leaf_hash(entry.data) for entry in log]
        grown = extend(0, [], leaves)
        await self._own.execute("update log set leaf_hash = $2 where position = $1", position, leaves[position - 1])
        await self._own.executemany(
            "update log_subtree set hash = $3 where height = $1 and number = $2", grown.completed
        )
        await self._own.execute("update log_head set peaks = $1", grown.peaks)
        record = log[position - 1].data
        changed = await self._audit.execute(
            "update archive set record = $3 where log_id = $1 and position = $2", parse(record).log_id, position, record
        )
        assert changed == "UPDATE 1"

    async def sign_anew(self, client: Client) -> Sequence[int]:
        """Put a head of the present history in the place of every kept one; returns their sizes."""
        leaves = [entry.leaf for entry in await self._log(client)]
        rows = await self._own.fetch("select tree_size, head from signed_head order by tree_size")
        for size, kept in rows:
            root = tree_root(leaves[:size])
            old = msgspec.json.decode(kept, type=SignedHead).head
            signed = self._stolen.sign(msgspec.structs.replace(old, root=root.hex()))
            await self._own.execute(
                "update signed_head set root = $2, head = $3 where tree_size = $1",
                *(size, root, msgspec.json.encode(signed)),
            )
        return [row["tree_size"] for row in rows]

    async def _log(self, client: Client) -> list[Entry]:
        log: list[Entry] = []
        while True:
            path = f"/v1/log/records?after={len(log)}&limit=1000"
            page = read_records((await client.get("ops", self._service, path)).content)
            log += page
            if len(page) < 1000:
                return log


async def _undo(own: asyncpg.Connection, audit: asyncpg.Connection) -> None:
    for statement in (
        "update event e set payload = w.payload from was_event w where (e.stream, e.version) = (w.stream, w.version)",
        "update log l set leaf_hash = w.leaf_hash from was_log w where l.position = w.position",
        "update log_subtree s set hash = w.hash from was_log_subtree w"
        " where (s.height, s.number) = (w.height, w.number)",
        "update log_head set peaks = w.peaks from was_log_head w",
        "update signed_head s set root = w.root, head = w.head from was_signed_head w where s.tree_size = w.tree_size",
    ):
        await own.execute(statement)
    await audit.execute(
        "update archive a set record = w.record from was_archive w"
        " where (a.log_id, a.position) = (w.log_id, w.position)"
    )

"""Servers of partners, on loopback, and an internet in which they have public addresses."""

import asyncio
import errno
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import anyio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.web.outside import Outside

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
connect_tcp = anyio.connect_tcp


class Request(NamedTuple):
    line: str
    fields: dict[str, str]
    body: bytes


def answer(status: int = 200, *fields: str, body: bytes = b"ok") -> Answer:
    """A whole answer, after which the connection can be used again."""

    async def written(writer: asyncio.StreamWriter) -> None:
        head = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *fields]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)

    return written


class Receiver:
    """Answers every request on a connection until the other side, or the answer, closes it; or speaks first."""

    def __init__(self, answer: Answer, first: bool = False) -> None:
        self.answer = answer
        self.first = first
        self.connections = 0
        self.ended = 0
        self.requests: list[Request] = []
        self.names: list[str | None] = []
        self.port = 0
        self.tasks: set[asyncio.Task[Any]] = set()
        self.changed = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.connections += 1
        try:
            while not writer.is_closing():
                if not self.first:
                    self.requests.append(await _request(reader))
                await self.answer(writer)
                await writer.drain()
                if self.first:
                    await reader.read()
                    break
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            async with self.changed:
                self.ended += 1
                self.changed.notify_all()

    async def all_ended(self, number: int) -> None:
        """Return when so many connections are closed."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.ended >= number)


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    return Request(head[0], fields, await reader.readexactly(int(fields["content-length"])))


class Internet:
    """What names resolve to, and which server of this machine is at which public address; nothing else can be reached.

    `names` gives the addresses for each time that the name is asked, the last for ever.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, list[list[str]]] = {}
        self.places: dict[tuple[str, int], int] = {}
        self.asked: list[str] = []
        self.dialled: list[str] = []
        self.trusted = ssl.create_default_context()
        self.servers: list[tuple[asyncio.Server, Receiver]] = []
        self.posting: list[Outside] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host not in self.names:
            raise OSError("no such name")
        addresses = self.names[host]
        return addresses.pop(0) if len(addresses) > 1 else addresses[0]

    async def connect(self, remote_host: str, remote_port: int, **others: Any) -> Any:
        """In place of `anyio.connect_tcp`, by which httpx connects."""
        self.dialled.append(str(remote_host))
        port = self.places.get((str(remote_host), remote_port))
        if port is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        return await connect_tcp("127.0.0.1", port)

    async def receiver(
        self, answer: Answer, *certified: str, at: str | None = None, trusted: bool = True, first: bool = False
    ) -> Receiver:
        """A server with a certificate for these names, or without TLS, that is at port 443 of an address."""
        receiver = Receiver(answer, first)
        context = self._certificate(certified, trusted) if certified else None
        if context is not None:
            context.sni_callback = lambda _, name, __: receiver.names.append(name)
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=context)
        receiver.port = server.sockets[0].getsockname()[1]
        self.servers.append((server, receiver))
        if at is not None:
            self.places[at, 443] = receiver.port
        return receiver

    def outside(self, *, loopback: bool = False) -> Outside:
        made = Outside(loopback=loopback, resolve=self.resolve, verify=self.trusted)
        self.posting.append(made)
        return made

    async def close(self) -> None:
        for made in self.posting:
            await made.close()
        for server, receiver in self.servers:
            server.close()
            for task in receiver.tasks:
                task.cancel()
            await asyncio.gather(*receiver.tasks, return_exceptions=True)
            await server.wait_closed()

    def _certificate(self, names: tuple[str, ...], trusted: bool) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{len(self.servers)}")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
            .sign(key, SHA256())
        )
        certificate = made.public_bytes(Encoding.PEM)
        file = self.folder / f"{len(self.servers)}.pem"
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate)
        if trusted:
            self.trusted.load_verify_locations(cadata=certificate.decode())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

"""SM2 in a process of its own: gmssl-pyx keeps the GIL while it computes (`sm2_sign` 2.4 ms, of a digest 0.2 ms,
verification 0.5 ms), so in a thread it would hold up the event loop all the same, by up to 8 ms as measured.

The child speaks in records of fixed length over its standard input and output, in order, and ends with its input, so
it cannot outlive whoever started it: `s`, private key, digest → signature; `v`, public key, digest, signature → 1 or 0.
Run as a program (`python -m shared.web.signing.sm2`) this file is the child.
"""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from typing import BinaryIO

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from gmssl_pyx import GmsslInnerError, sm2_sign_sm3_digest, sm2_verify_sm3_digest

SIGNATURE = 64
_LENGTHS = {b"s": 32 + 32, b"v": 64 + 32 + SIGNATURE}
_YES, _NO = b"1", b"0"


class DeskGone(OSError):
    """The child ended while it was asked something; the next question starts another."""


class Sm2Desk:
    """Asks the child, which is started with the first question."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def sign(self, private: bytes, digest: bytes) -> bytes:
        return await self._ask(b"s" + private + digest, SIGNATURE)

    async def verify(self, public: bytes, digest: bytes, signature: bytes) -> bool:
        if len(signature) != SIGNATURE:
            return False
        return await self._ask(b"v" + public + digest + signature, 1) == _YES

    async def _ask(self, question: bytes, length: int) -> bytes:
        async with self._turn:
            process = await self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(question)
                return await process.stdout.readexactly(length)
            except (EOFError, OSError) as error:
                await self._end()
                raise DeskGone("the SM2 process ended") from error
            except BaseException:
                await self._end()  # an answer that nobody waits for must not be the next question's
                raise

    async def _running(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "shared.web.signing.sm2", stdin=PIPE, stdout=PIPE
            )
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            process.kill()
        await process.wait()

    async def close(self) -> None:
        async with self._turn:
            await self._end()


def sm2_sign_here(private: bytes, digest: bytes) -> bytes:
    """In this process, whose threads it holds up: for programs that serve nobody."""
    r, s = decode_dss_signature(sm2_sign_sm3_digest(private, digest))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def sm2_verify_here(public: bytes, digest: bytes, signature: bytes) -> bool:
    if len(signature) != SIGNATURE:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        return bool(sm2_verify_sm3_digest(public, digest, encode_dss_signature(r, s)))
    except GmsslInnerError:
        return False


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the questions end."""
    while kind := questions.read(1):
        question = questions.read(_LENGTHS[kind])
        if len(question) < _LENGTHS[kind]:
            return
        if kind == b"s":
            answers.write(sm2_sign_here(question[:32], question[32:]))
        else:
            answers.write(_YES if sm2_verify_here(question[:64], question[64:96], question[96:]) else _NO)
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)

"""Signing and verifying without holding up the event loop: Ed25519 here (0.1 ms), SM2 at its desk."""

from typing import Protocol

from shared.web.signing.keys import PrivateKey, PublicKey, sign_ed25519, sm2_digest, verify_ed25519
from shared.web.signing.sm2 import Sm2Desk, sm2_sign_here, sm2_verify_here


class Hand(Protocol):
    """What signs and verifies messages."""

    async def sign(self, key: PrivateKey, message: bytes) -> bytes: ...

    async def verify(self, key: PublicKey, message: bytes, signature: bytes) -> bool: ...


class Scribe:
    """The hand of a service."""

    def __init__(self) -> None:
        self.desk = Sm2Desk()

    async def sign(self, key: PrivateKey, message: bytes) -> bytes:
        if key.public.algorithm == "ed25519":
            return sign_ed25519(key, message)
        return await self.desk.sign(key.raw, sm2_digest(key.public, message))

    async def verify(self, key: PublicKey, message: bytes, signature: bytes) -> bool:
        if key.algorithm == "ed25519":
            return verify_ed25519(key, message, signature)
        return await self.desk.verify(key.raw, sm2_digest(key, message), signature)

    async def close(self) -> None:
        await self.desk.close()


class PlainHand:
    """The hand of a program that serves nobody: everything in this process, without a child."""

    async def sign(self, key: PrivateKey, message: bytes) -> bytes:
        return sign_here(key, message)

    async def verify(self, key: PublicKey, message: bytes, signature: bytes) -> bool:
        return verify_here(key, message, signature)


def sign_here(key: PrivateKey, message: bytes) -> bytes:
    if key.public.algorithm == "ed25519":
        return sign_ed25519(key, message)
    return sm2_sign_here(key.raw, sm2_digest(key.public, message))


def verify_here(key: PublicKey, message: bytes, signature: bytes) -> bool:
    if key.algorithm == "ed25519":
        return verify_ed25519(key, message, signature)
    return sm2_verify_here(key.raw, sm2_digest(key, message), signature)

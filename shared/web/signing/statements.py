"""Statements that stay signed when the message that brought them is gone: JSON with both of our signatures over it."""

from base64 import b64decode, b64encode

import msgspec

from shared.web.signing.keys import ALGORITHMS, PublicKey
from shared.web.signing.own_keys import OwnKeys
from shared.web.signing.scribe import Hand


class Signature(msgspec.Struct, frozen=True):
    """Over the statement's bytes, base64."""

    keyid: str
    alg: str
    signature: str


class SignedStatement(msgspec.Struct, frozen=True):
    """`statement` is kept byte for byte; what is signed is a line that names its purpose, and these bytes."""

    statement: msgspec.Raw
    signatures: tuple[Signature, ...]


async def signed_statement(purpose: str, statement: bytes, keys: OwnKeys, hand: Hand) -> SignedStatement:
    """The statement with a signature of each algorithm, so that a partner may verify whichever it can."""
    made = []
    for algorithm in ALGORITHMS:
        key = keys.signing(algorithm)
        signature = await hand.sign(key, to_be_signed(purpose, statement))
        made.append(Signature(key.public.kid, algorithm, b64encode(signature).decode()))
    return SignedStatement(msgspec.Raw(statement), tuple(made))


def to_be_signed(purpose: str, statement: bytes) -> bytes:
    """No signature base of RFC 9421 begins like this, so none can be passed off as a statement, nor the reverse."""
    return f"huchuang {purpose}\n".encode() + statement


async def verify_statement(purpose: str, signed: SignedStatement, key: PublicKey, hand: Hand) -> bool:
    """Whether one of the signatures over the statement is that of `key`."""
    for item in signed.signatures:
        if (item.keyid, item.alg) == (key.kid, key.algorithm):
            return await hand.verify(key, to_be_signed(purpose, bytes(signed.statement)), b64decode(item.signature))
    return False

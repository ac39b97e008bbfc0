"""Personal data inside events: clear only on its way in, sealed everywhere else.   (个人信息保护法 art. 51)"""

from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Clear(Generic[T]):
    """A personal value in clear: it lives in memory only, between a request and the append.

    No encoder knows it, so it cannot reach a table, a topic or a log by accident.
    """

    __slots__ = ("subject", "value")

    def __init__(self, subject: str, value: T) -> None:
        self.subject = subject
        self.value = value

    def __repr__(self) -> str:
        return f"Clear({self.subject!r}, …)"


class Sealed(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """A personal value as it is stored; only its subject's key opens it.

    `algorithm` names the cipher, `field` is the number of the value within its event (part of the associated
    data), `box` is nonce, ciphertext and tag.
    """

    subject: str
    algorithm: str = msgspec.field(name="alg")
    field: int
    box: bytes

    def __repr__(self) -> str:
        return f"Sealed({self.subject!r}, {self.algorithm}, field {self.field})"


if TYPE_CHECKING:
    Personal = Clear[T] | Sealed[T]
    """A field of an event: a decision makes it `Clear`, the append seals it, a fold sees it `Sealed` only."""
else:
    Personal = Sealed


class Redacted:
    """What a sealed value reads as once its subject's key has been destroyed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Redacted"

    def __str__(self) -> str:
        return "（已删除）"


REDACTED = Redacted()

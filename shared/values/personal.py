"""Personal data inside events: clear only on its way in, sealed everywhere else.   (个人信息保护法 art. 51)"""

from typing import Generic, TypeVar

T = TypeVar("T")


class Personal(Generic[T]):
    """A field that only its subject's key opens.

    A decision makes `Clear` values; the append seals them; a fold sees only `Sealed` ones and never opens them.
    A `Clear` value cannot be encoded, so it cannot reach a table, a topic or a log by accident.
    """

    __slots__ = ("subject",)

    def __init__(self, subject: str) -> None:
        self.subject = subject


class Clear(Personal[T]):
    """A personal value in clear: it lives in memory only, between a request and the append."""

    __slots__ = ("value",)

    def __init__(self, subject: str, value: T) -> None:
        super().__init__(subject)
        self.value = value

    def __repr__(self) -> str:
        return f"Clear({self.subject!r}, …)"


class Sealed(Personal[T]):
    """A personal value as it is stored.

    `algorithm` names the cipher, `field` is the number of the value within its event (part of the associated
    data), `box` is nonce, ciphertext and tag.
    """

    __slots__ = ("algorithm", "box", "field")

    def __init__(self, subject: str, algorithm: str, field: int, box: bytes) -> None:
        self.subject = subject  # not by super(): a fold makes millions of these
        self.algorithm = algorithm
        self.field = field
        self.box = box

    def __repr__(self) -> str:
        return f"Sealed({self.subject!r}, {self.algorithm}, field {self.field})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and (self.subject, self.field, self.box) == (
            other.subject,
            other.field,
            other.box,
        )

    def __hash__(self) -> int:
        return hash((self.subject, self.field, self.box))


class Redacted:
    """What a sealed value reads as once its subject's key has been destroyed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Redacted"

    def __str__(self) -> str:
        return "（已删除）"


REDACTED = Redacted()

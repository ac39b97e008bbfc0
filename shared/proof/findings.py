"""What an examination works on, and what it finds."""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from shared.proof.heads import SignedHead


class Kind(StrEnum):
    """What a falsification is."""

    CHANGED = "changed"
    """Another record, or another kept leaf, stands where one was."""
    DROPPED = "dropped"
    """A record is gone from between others."""
    INSERTED = "inserted"
    """A record stands between others that was not there."""
    SWAPPED = "swapped"
    """Records stand in another order."""
    TRUNCATED = "truncated"
    """The log ends before it should."""
    RE_SIGNED = "re_signed"
    """A head that is not the service's, or one that contradicts what the service had signed: a rewritten history."""
    REWRITTEN = "rewritten"
    """The log is not the one that was signed; which of the above was done, only a witness can tell."""


class Finding(NamedTuple):
    """One falsification. `told` says it in zh-CN.

    `position` is where it is in the log: for what is gone where it was, for a head its tree size. Where the place is
    not certain it is between `position` and `until`; where several records are gone, or two have changed places, they
    are the first and the last of them. `events` is how many records it is about.
    """

    kind: Kind
    position: int
    until: int
    told: str
    events: int = 1


class Entry(NamedTuple):
    """One record of a copied log: its position, its canonical bytes, and the leaf that the service keeps for it."""

    position: int
    data: bytes
    leaf: bytes


class _Item(msgspec.Struct):
    position: int
    leaf: str
    record: msgspec.Raw


class _Records(msgspec.Struct):
    items: list[_Item]


class _Heads(msgspec.Struct):
    items: list[SignedHead]


def read_records(answer: bytes) -> list[Entry]:
    """The entries of an answer of `/v1/log/records`, with the records' bytes as they were sent."""
    items = msgspec.json.decode(answer, type=_Records).items
    return [Entry(item.position, bytes(item.record), bytes.fromhex(item.leaf)) for item in items]


def read_heads(answer: bytes) -> list[SignedHead]:
    """The signed heads of an answer of `/v1/log/heads`."""
    return msgspec.json.decode(answer, type=_Heads).items

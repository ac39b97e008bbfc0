"""Ids: a short prefix that names the kind, and a UUIDv7 (RFC 9562 section 5.7), such as `clm_0195…`."""

import re
import threading
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NewType
from uuid import UUID, SafeUUID

from shared.values.randomness import random_bytes
from shared.values.rejected import Invalid

PersonId = NewType("PersonId", str)
OrganisationId = NewType("OrganisationId", str)
CertificateId = NewType("CertificateId", str)
ClaimId = NewType("ClaimId", str)
WhitelistEntryId = NewType("WhitelistEntryId", str)
WhitelistBatchId = NewType("WhitelistBatchId", str)
NoticeId = NewType("NoticeId", str)
InstitutionId = NewType("InstitutionId", str)
CarrierId = NewType("CarrierId", str)
BankId = NewType("BankId", str)
ConsentId = NewType("ConsentId", str)
ProjectId = NewType("ProjectId", str)
ClassId = NewType("ClassId", str)
PaymentBatchId = NewType("PaymentBatchId", str)
MessageId = NewType("MessageId", str)
BudgetLineId = NewType("BudgetLineId", str)
RecoveryId = NewType("RecoveryId", str)

PREFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "PersonId": "per",
        "OrganisationId": "org",
        "CertificateId": "crt",
        "ClaimId": "clm",
        "WhitelistEntryId": "wle",
        "WhitelistBatchId": "wlb",
        "NoticeId": "ntc",
        "InstitutionId": "ins",
        "CarrierId": "car",
        "BankId": "bnk",
        "ConsentId": "con",
        "ProjectId": "prj",
        "ClassId": "cls",
        "PaymentBatchId": "pay",
        "MessageId": "msg",
        "BudgetLineId": "bud",
        "RecoveryId": "rec",
    }
)
"""The prefix of each id type; ids with these prefixes are in events, so a prefix never changes."""

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


def new_id(prefix: str, uuid: UUID) -> str:
    """`{prefix}_{uuid}`, the uuid lower case and hyphenated."""
    return f"{prefix}_{uuid}"


def parse_id(prefix: str, text: object) -> str | Invalid:
    """`text` itself if it is an id of this kind in its one canonical form. Code: `id.form`."""
    if isinstance(text, str):
        head, separator, tail = text.partition("_")
        if head == prefix and separator and _UUID.fullmatch(tail):
            return text
    return Invalid("id.form", f"编号格式不正确，应以“{prefix}_”开头")


_COUNTER_BITS: Final = 42
_COUNTER_END: Final = 1 << _COUNTER_BITS
_VERSION_AND_VARIANT: Final = (7 << 76) | (0b10 << 62)
_SAFE_UNKNOWN: Final = SafeUUID.unknown
_set = object.__setattr__


class _Sequence:
    """UUIDs that increase strictly while the millisecond does not change (RFC 9562 section 6.2, method 1).

    74 free bits: a counter of 42, which starts at random in its lower half each new millisecond, and 32 random ones.
    """

    def __init__(self, *, follows_time_back: bool) -> None:
        self._follows_time_back = follows_time_back
        self._lock = threading.Lock()
        self._ms = -1
        self._counter = 0

    def next(self, ms: int) -> UUID:
        """The next UUID at `ms`, or at the latest `ms` so far if the clock went back and is not followed."""
        noise = int.from_bytes(random_bytes(10))
        with self._lock:
            if ms > self._ms or (self._follows_time_back and ms != self._ms):
                self._ms, self._counter = ms, noise >> 39
            else:
                self._counter += 1
                if self._counter >= _COUNTER_END:
                    self._ms, self._counter = self._ms + 1, noise >> 39
            ms, counter = self._ms, self._counter
        uuid = UUID.__new__(UUID)  # UUID(int=…) costs half the budget of this function in checks that cannot fail here
        _set(
            uuid,
            "int",
            (ms << 80)
            | _VERSION_AND_VARIANT
            | ((counter >> 30) << 64)
            | ((counter & 0x3FFF_FFFF) << 32)
            | (noise & 0xFFFF_FFFF),
        )
        _set(uuid, "is_safe", _SAFE_UNKNOWN)
        return uuid


_by_clock = _Sequence(follows_time_back=False)
_as_told = _Sequence(follows_time_back=True)


def uuid7(unix_ms: int | None = None) -> UUID:
    """A UUIDv7 (RFC 9562), thread-safe; about 1 µs.

    Without `unix_ms` it carries the wall clock and every call in a process is greater than the one before, whatever the
    clock does. With `unix_ms` (milliseconds since 1970 UTC) it carries that time, and is greater than the call before
    only if that named the same millisecond. Raises `ValueError` if `unix_ms` does not fit into 48 bits.
    """
    if unix_ms is None:
        return _by_clock.next(time.time_ns() // 1_000_000)
    if not 0 <= unix_ms < 1 << 48:
        raise ValueError("the time of a UUIDv7 has 48 bits")
    return _as_told.next(unix_ms)


def unix_ms_of(uuid: UUID) -> int:
    """The milliseconds since 1970 UTC that a UUIDv7 carries; raises `ValueError` for any other version."""
    if uuid.version != 7:
        raise ValueError("only a version 7 UUID carries milliseconds")
    return uuid.int >> 80

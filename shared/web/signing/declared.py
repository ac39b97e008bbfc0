"""Which endpoints demand signed messages of banks: declared beside `@allow`, on every route that banks may call."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeVar

C = TypeVar("C", bound=Callable[..., Any])

SIGNERS = "bank:*"
"""The roles that sign. Others on the same routes are not asked to."""
_ANY_SIGNER = "bank:any"


def signed(endpoint: C) -> C:
    """Banks must sign their requests to this endpoint, and get signed answers."""
    endpoint.__signed__ = True  # type: ignore[attr-defined]
    return endpoint


def unsigned(reason: str) -> Callable[[C], C]:
    """Banks may call this endpoint without a signature, for a reason that is stated."""

    def mark(endpoint: C) -> C:
        if not reason:
            raise TypeError(f"{endpoint.__qualname__}: why need banks not sign?")
        endpoint.__signed__ = False  # type: ignore[attr-defined]
        return endpoint

    return mark


def demands_signature(endpoint: Callable[..., Any], patterns: Sequence[str]) -> bool:
    """Whether banks must sign. Raises TypeError for an endpoint that lets banks in and does not say."""
    declared: bool | None = getattr(endpoint, "__signed__", None)
    if declared is None and any(
        fnmatchcase(_ANY_SIGNER, pattern) or pattern.startswith("bank:") for pattern in patterns
    ):
        raise TypeError(f"{endpoint.__qualname__} lets banks in: put @signed on it, or @unsigned with a reason")
    return declared is True

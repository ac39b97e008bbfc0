"""What an endpoint answers when all goes well, declared beside `@allow`: the API documents are made from it.

A type is that which the endpoint encodes (a msgspec struct, or what msgspec can describe), so that answers and
documents have one source.
"""

from collections.abc import Callable
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import msgspec

T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., Any])

Kind = Literal["plain", "resource", "list", "command"]
JSON = "application/json"


RawObject = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object"})]
RawProblem = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"$ref": "#/components/schemas/Problem"})]
"""JSON that is encoded already."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list; `next` is the cursor of the one that follows, null for the last."""

    items: tuple[T, ...]
    next: str | None


class Success(NamedTuple):
    """One success answer. `status` None: that of the route. `of` None: an answer without a body."""

    of: Any
    status: int | None
    media_type: str
    headers: tuple[str, ...]


class Declared(NamedTuple):
    """All that an endpoint says of its answers. `refuses` are statuses beyond those that its kind implies."""

    kind: Kind
    successes: tuple[Success, ...]
    refuses: tuple[int, ...]
    keyed: bool
    """Whether an `Idempotency-Key` makes it safe to repeat."""


def gives(
    of: Any,
    *,
    status: int | None = None,
    media_type: str = JSON,
    headers: tuple[str, ...] = (),
    refuses: tuple[int, ...] = (),
    keyed: bool = False,
) -> Callable[[C], C]:
    """A plain answer. May be declared more than once, for several statuses or media types."""
    return _declares("plain", Success(of, status, media_type, headers), refuses, keyed)


def shows(of: Any, *, changes_by_day: bool = False) -> Callable[[C], C]:
    """One resource as it is now, with its `ETag`; a 304 for who has it, unless it changes with the day."""
    kept = () if changes_by_day else (Success(None, 304, JSON, ("ETag",)),)
    return _declares("resource", Success(of, 200, JSON, ("ETag",)), (), False, kept)


def lists(of: Any, *, refuses: tuple[int, ...] = ()) -> Callable[[C], C]:
    """A page of a list (`shared.web.lists`)."""
    return _declares("list", Success(Page[of], 200, JSON, ("Link",)), refuses, False)


def carries_out(of: Any, *, refuses: tuple[int, ...] = ()) -> Callable[[C], C]:
    """The answer to a command (`shared.web.command`)."""
    headers = ("ETag", "Consistency-Token", "Idempotent-Replayed")
    return _declares("command", Success(of, None, JSON, headers), refuses, True)


def _declares(
    kind: Kind, success: Success, refuses: tuple[int, ...], keyed: bool, more: tuple[Success, ...] = ()
) -> Callable[[C], C]:
    def mark(endpoint: C) -> C:
        before = declared(endpoint)
        others = () if before is None else before.successes
        refused = refuses if before is None else (*refuses, *before.refuses)
        endpoint.__answers__ = Declared(kind, (success, *more, *others), refused, keyed)  # type: ignore[attr-defined]
        return endpoint

    return mark


def declared(endpoint: Callable[..., Any]) -> Declared | None:
    """What the endpoint declares; None for one that says nothing, which no documented route may."""
    return getattr(endpoint, "__answers__", None)

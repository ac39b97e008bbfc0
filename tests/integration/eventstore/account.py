"""A small aggregate for the kernel's tests: an account that is opened with a unique name, and moved on."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from shared.eventstore.decider import (
    Aggregate,
    Event,
    LimitChange,
    Release,
    ReleasePlace,
    Row,
    SetBound,
    Take,
    TakePlace,
    Use,
)
from shared.values.personal import Personal


class Opened(Event, frozen=True, tag="test.Opened.v1"):
    name: str
    owner: str
    secret: Personal[str]


class Moved(Event, frozen=True, tag="test.Moved.v1"):
    by: int


class Spent(Event, frozen=True, tag="test.Spent.v1"):
    line: str
    amount: Decimal


class Granted(Event, frozen=True, tag="test.Granted.v1"):
    line: str
    amount: Decimal


class Closed(Event, frozen=True, tag="test.Closed.v1"):
    pass


class Account(msgspec.Struct, frozen=True):
    name: str = ""
    owner: str = ""
    total: int = 0


def evolve(account: Account, event: Event) -> Account:
    match event:
        case Opened():
            return Account(event.name, event.owner)
        case Moved():
            return msgspec.structs.replace(account, total=account.total + event.by)
        case _:
            return account


def limits(account: Account, event: Event) -> Iterable[LimitChange]:
    match event:
        case Opened():
            return (Take("name", event.name), TakePlace("owner", event.owner, 3))
        case Spent():
            return (Use("budget", event.line, event.amount),)
        case Granted():
            return (SetBound("budget", event.line, event.amount),)
        case Closed():
            return (Release("name", account.name), ReleasePlace("owner", account.owner, 3))
        case _:
            return ()


def rows(stream: str, account: Account, event: Event) -> Iterable[Row]:
    return (Row("total", stream, account),)


ACCOUNT: Aggregate[Account] = Aggregate("acc", (Opened, Moved, Spent, Granted, Closed), Account, evolve, limits, rows)

"""A small aggregate for the kernel's tests: an account that is opened with a unique name, and moved on."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from shared.eventstore.decider import Aggregate, Event, LimitChange, Release, Row, Take, TakePlace, Use
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


class Closed(Event, frozen=True, tag="test.Closed.v1"):
    pass


class Account(msgspec.Struct, frozen=True):
    name: str = ""
    total: int = 0


def evolve(account: Account, event: Event) -> Account:
    match event:
        case Opened():
            return Account(event.name)
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
        case Closed():
            return (Release("name", account.name),)
        case _:
            return ()


def rows(stream: str, account: Account, event: Event) -> Iterable[Row]:
    return (Row("total", stream, account),)


ACCOUNT: Aggregate[Account] = Aggregate("acc", (Opened, Moved, Spent, Closed), Account, evolve, limits, rows)

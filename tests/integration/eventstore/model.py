"""The store as a plain dictionary: what commands on the small aggregate may do, one after the other."""

import copy
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

PLACES = 3


class Open(NamedTuple):
    name: str
    owner: str


class Move(NamedTuple):
    """Moves the accounts with these numbers, in the order in which they were opened."""

    accounts: tuple[int, ...]
    by: int


class Close(NamedTuple):
    account: int


class Grant(NamedTuple):
    bound: int


class Spend(NamedTuple):
    amount: int


class Erase(NamedTuple):
    owner: str


Operation = Open | Move | Close | Grant | Spend
Refusal = Literal["name_taken", "no_place", "erased", "unknown", "closed", "bound_too_low", "exhausted"]


@dataclass
class Account:
    name: str
    owner: str
    total: int = 0
    closed: bool = False


@dataclass
class Model:
    """`accounts` by stream, in the order in which they were opened; money in CNY."""

    accounts: dict[str, Account] = field(default_factory=dict)
    used: Decimal = Decimal(0)
    bound: Decimal = Decimal(0)
    erased: set[str] = field(default_factory=set)

    def copy(self) -> "Model":
        return copy.deepcopy(self)

    def stream(self, number: int) -> str | None:
        streams = list(self.accounts)
        return streams[number % len(streams)] if streams else None

    def streams(self, numbers: tuple[int, ...]) -> list[str]:
        return list(dict.fromkeys(stream for n in numbers if (stream := self.stream(n)) is not None))

    def refusal(self, operation: Operation, streams: list[str]) -> Refusal | None:
        """Why the operation may not happen to `streams` now."""
        open_ones = [account for account in self.accounts.values() if not account.closed]
        match operation:
            case Open(name, owner):
                if any(account.name == name for account in open_ones):
                    return "name_taken"
                if sum(account.owner == owner for account in open_ones) >= PLACES:
                    return "no_place"
                return "erased" if owner in self.erased else None
            case Move() | Close():
                if not streams:
                    return "unknown"
                return "closed" if any(self.accounts[stream].closed for stream in streams) else None
            case Grant(bound):
                return "bound_too_low" if bound < self.used else None
            case Spend(amount):
                return "exhausted" if self.used + amount > self.bound else None

    def apply(self, operation: Operation, streams: list[str]) -> None:
        """Let it happen to `streams`."""
        assert self.refusal(operation, streams) is None, (operation, self.refusal(operation, streams))
        match operation:
            case Open(name, owner):
                self.accounts[streams[0]] = Account(name, owner)
            case Move(_, by):
                for stream in streams:
                    self.accounts[stream].total += by
            case Close():
                self.accounts[streams[0]].closed = True
            case Grant(bound):
                self.bound = Decimal(bound)
            case Spend(amount):
                self.used += amount

"""Bank: a partner that lends to the founders on a whitelist.   (沪人社就〔2023〕162号 二(六))"""

import msgspec

from shared.eventstore.decider import Aggregate, Decision, Event, LimitChange, Rejection, Take
from shared.values.ids import BankId

# -- events: what happened; the names are the storage format -------------------------------------------------------


class BankRegistered(Event, frozen=True, tag="registry.BankRegistered.v1"):
    """A partner bank became known; `code` is what its token names."""

    bank_id: BankId
    code: str
    name: str


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Bank(msgspec.Struct, frozen=True):
    id: BankId | None = None
    code: str = ""
    name: str = ""


def evolve(bank: Bank, event: BankRegistered) -> Bank:
    return Bank(event.bank_id, event.code, event.name)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class RegisterBank(msgspec.Struct, frozen=True):
    bank_id: BankId
    code: str
    name: str
    code_holder: str | None


def decide(command: RegisterBank, bank: Bank) -> Decision:
    if command.code_holder is not None:
        return Rejection(code="bank_exists", detail="这个银行代码已登记", extensions={"bank_id": command.code_holder})
    return [BankRegistered(bank_id=command.bank_id, code=command.code, name=command.name)]


CODE = "bank/code"


def limits(bank: Bank, event: BankRegistered) -> tuple[LimitChange, ...]:
    """One bank per code."""
    return (Take(CODE, event.code),)


BANK: Aggregate[Bank] = Aggregate("bnk", (BankRegistered,), Bank, evolve, limits)

"""Disclosure: one look at accounts in clear, on record with who, whose, what and why.   (个人信息保护法 art. 54, 55)

The record has the fields of registry's, so that an auditor reads both in one list.
"""

from typing import Literal

import msgspec

from shared.eventstore.decider import Aggregate, Event

Purpose = Literal["bank_delivery", "bank_inquiry"]

# -- events: what happened; the names are the storage format -------------------------------------------------------


class PersonalDataDisclosed(Event, frozen=True, tag="subsidy.PersonalDataDisclosed.v1"):
    """`subject`: the payment batch whose file was made."""

    requester: str
    person_ids: tuple[str, ...]
    fields: tuple[str, ...]
    purpose: Purpose
    revealed: bool
    subject: str


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Disclosure(msgspec.Struct, frozen=True):
    requester: str = ""
    purpose: str = ""


def evolve(disclosure: Disclosure, event: PersonalDataDisclosed) -> Disclosure:
    return Disclosure(event.requester, event.purpose)


DISCLOSURE: Aggregate[Disclosure] = Aggregate("dis", (PersonalDataDisclosed,), Disclosure, evolve)

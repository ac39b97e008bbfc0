"""Disclosure: one look at personal data, on record with who, whose, what and why.   (个人信息保护法 art. 54, 55)"""

from typing import Literal

import msgspec

from shared.eventstore.decider import Aggregate, Event

Purpose = Literal["payee_check", "public_notice", "whitelist_delivery", "case_handling"]

# -- events: what happened; the names are the storage format -------------------------------------------------------


class PersonalDataDisclosed(Event, frozen=True, tag="registry.PersonalDataDisclosed.v1"):
    """`revealed` is False where only a yes or no left the service."""

    requester: str
    person_ids: tuple[str, ...]
    fields: tuple[str, ...]
    purpose: Purpose
    revealed: bool


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Disclosure(msgspec.Struct, frozen=True):
    requester: str = ""
    purpose: str = ""


def evolve(disclosure: Disclosure, event: PersonalDataDisclosed) -> Disclosure:
    return Disclosure(event.requester, event.purpose)


DISCLOSURE: Aggregate[Disclosure] = Aggregate("dis", (PersonalDataDisclosed,), Disclosure, evolve)

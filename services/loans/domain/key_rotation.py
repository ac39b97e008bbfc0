"""Key rotation: one decision to replace the keys that sign answers to banks, on record before it is carried out."""

import msgspec

from shared.eventstore.decider import Aggregate, Event

# -- events: what happened; the names are the storage format -------------------------------------------------------


class KeyRotationOrdered(Event, frozen=True, tag="loans.KeyRotationOrdered.v1"):
    """`withdrawn` are the key ids that are believed no longer from now on; none where old and new overlap."""

    by: str
    reason: str | None
    withdrawn: tuple[str, ...]


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class KeyRotation(msgspec.Struct, frozen=True):
    by: str = ""
    reason: str | None = None
    withdrawn: tuple[str, ...] = ()


def evolve(rotation: KeyRotation, event: KeyRotationOrdered) -> KeyRotation:
    return KeyRotation(event.by, event.reason, event.withdrawn)


KEY_ROTATION: Aggregate[KeyRotation] = Aggregate("rot", (KeyRotationOrdered,), KeyRotation, evolve)

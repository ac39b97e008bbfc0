"""Carrier: who may recommend founders to a whitelist.   (沪人社就〔2023〕162号 二(六))"""

from typing import Literal

import msgspec

from shared.eventstore.decider import Aggregate, Decision, Event, LimitChange, Rejection, Take
from shared.values.ids import CarrierId

CarrierKind = Literal["district", "incubation_base", "college_station", "mass_organisation", "industry_association"]

# -- events: what happened; the names are the storage format -------------------------------------------------------


class CarrierRegistered(Event, frozen=True, tag="registry.CarrierRegistered.v1"):
    """A carrier of one of the five kinds became known; `code` is what its token names."""

    carrier_id: CarrierId
    code: str
    name: str
    kind: CarrierKind
    district: str


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Carrier(msgspec.Struct, frozen=True):
    id: CarrierId | None = None
    code: str = ""
    name: str = ""
    kind: CarrierKind = "district"
    district: str = ""


def evolve(carrier: Carrier, event: CarrierRegistered) -> Carrier:
    return Carrier(event.carrier_id, event.code, event.name, event.kind, event.district)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class RegisterCarrier(msgspec.Struct, frozen=True):
    carrier_id: CarrierId
    code: str
    name: str
    kind: CarrierKind
    district: str
    code_holder: str | None


def decide(command: RegisterCarrier, carrier: Carrier) -> Decision:
    if command.code_holder is not None:
        return Rejection(
            code="carrier_exists", detail="这个载体代码已登记", extensions={"carrier_id": command.code_holder}
        )
    return [
        CarrierRegistered(
            carrier_id=command.carrier_id,
            code=command.code,
            name=command.name,
            kind=command.kind,
            district=command.district,
        )
    ]


CODE = "carrier/code"


def limits(carrier: Carrier, event: CarrierRegistered) -> tuple[LimitChange, ...]:
    """One carrier per code."""
    return (Take(CODE, event.code),)


CARRIER: Aggregate[Carrier] = Aggregate("car", (CarrierRegistered,), Carrier, evolve, limits)

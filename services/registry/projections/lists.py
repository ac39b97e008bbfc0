"""How each resource is shown: in answers and in lists alike, a function of its state."""

from datetime import date

import msgspec

from services.registry.domain.bank import BANK, Bank
from services.registry.domain.carrier import CARRIER, Carrier
from services.registry.domain.institution import INSTITUTION, Institution, Qualification
from services.registry.domain.organisation import ORGANISATION, Organisation, Role
from shared.eventstore.listing import Listed, Lister
from shared.values.districts import district_of_area


class OrganisationShown(msgspec.Struct, frozen=True):
    """`district` is that of the registering area, None outside the city."""

    id: str
    status: str
    name: str
    credit_code: str
    area: str
    district: str | None
    registered_on: date | None
    deregistered_on: date | None
    roles: tuple[Role, ...]


class InstitutionShown(msgspec.Struct, frozen=True):
    id: str
    code: str
    name: str
    kind: str
    district: str
    registered_on: date | None
    qualifications: tuple[Qualification, ...]


class CarrierShown(msgspec.Struct, frozen=True):
    id: str
    code: str
    name: str
    kind: str
    district: str


class BankShown(msgspec.Struct, frozen=True):
    id: str
    code: str
    name: str


def organisation(id: str, state: Organisation) -> OrganisationShown:
    return OrganisationShown(
        id,
        state.status,
        state.name,
        state.credit_code,
        state.area,
        district_of_area(state.area),
        state.registered_on,
        state.deregistered_on,
        state.roles,
    )


def institution(id: str, state: Institution) -> InstitutionShown:
    return InstitutionShown(
        id, state.code, state.name, state.kind, state.district, state.registered_on, state.qualifications
    )


def carrier(id: str, state: Carrier) -> CarrierShown:
    return CarrierShown(id, state.code, state.name, state.kind, state.district)


def bank(id: str, state: Bank) -> BankShown:
    return BankShown(id, state.code, state.name)


def _organisation(id: str, state: Organisation) -> Listed:
    shown = organisation(id, state)
    facets = [f"status:{shown.status}", f"credit_code:{shown.credit_code}", f"district:{shown.district or 'outside'}"]
    return Listed(facets, shown)


def _institution(id: str, state: Institution) -> Listed:
    return Listed([f"code:{state.code}", f"kind:{state.kind}", f"district:{state.district}"], institution(id, state))


def _carrier(id: str, state: Carrier) -> Listed:
    return Listed([f"code:{state.code}", f"kind:{state.kind}", f"district:{state.district}"], carrier(id, state))


def _bank(id: str, state: Bank) -> Listed:
    return Listed([f"code:{state.code}"], bank(id, state))


LISTERS = (
    Lister("organisation", ORGANISATION, _organisation),
    Lister("institution", INSTITUTION, _institution),
    Lister("carrier", CARRIER, _carrier),
    Lister("bank", BANK, _bank),
)

"""How each resource is shown: in answers and in lists alike, a function of its state."""

from datetime import date

import msgspec

from services.registry.domain.bank import BANK, Bank
from services.registry.domain.carrier import CARRIER, Carrier
from services.registry.domain.client import CLIENT, Client, ClientKey
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


class ClientShown(msgspec.Struct, frozen=True):
    """`client_id` is what its tokens name; `keys` are public."""

    id: str
    status: str
    client_id: str
    name: str
    scopes: tuple[str, ...]
    requested_by: str
    approved_by: str | None
    keys: tuple[ClientKey, ...]
    resumption_requested_by: str | None


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


def client(id: str, state: Client) -> ClientShown:
    return ClientShown(
        id,
        state.status,
        state.client or "",
        state.name,
        state.scopes,
        state.requested_by,
        state.approved_by,
        tuple(state.keys.values()),
        None if state.resumption_requested_by is msgspec.UNSET else state.resumption_requested_by,
    )


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


def _client(id: str, state: Client) -> Listed:
    return Listed([f"status:{state.status}", f"client_id:{state.client}"], client(id, state))


LISTERS = (
    Lister("organisation", ORGANISATION, _organisation),
    Lister("institution", INSTITUTION, _institution),
    Lister("carrier", CARRIER, _carrier),
    Lister("bank", BANK, _bank),
    Lister("client", CLIENT, _client),
)

"""How a person is shown: never anything sealed, but for a stated purpose."""

from datetime import date

import msgspec

from services.registry.domain.person import Consent, Person


class ConsentOfPerson(Consent, frozen=True, kw_only=True):
    id: str


class PersonShown(msgspec.Struct, frozen=True):
    id: str
    status: str
    retained_until: date | None
    identity_kind: str
    categories: tuple[str, ...]
    consents: tuple[ConsentOfPerson, ...]


class PersonFound(msgspec.Struct, frozen=True):
    id: str


class Matched(msgspec.Struct, frozen=True):
    matches: bool


class Disclosed(msgspec.Struct, frozen=True):
    person_id: str
    name: str
    masked_identity_number: str


class Disclosures(msgspec.Struct, frozen=True):
    items: tuple[Disclosed, ...]


def shown(id: str, person: Person) -> PersonShown:
    return PersonShown(
        id,
        person.status,
        person.retained_until,
        person.identity_kind,
        person.categories,
        tuple(ConsentOfPerson(id=key, **msgspec.structs.asdict(consent)) for key, consent in person.consents.items()),
    )

"""Every list shows its resources as their answers do, and finds them by what they are."""

from datetime import date

import pytest

from services.registry.domain.organisation import ORGANISATION, OrganisationDeregistered
from services.registry.projections.lists import LISTERS
from services.registry.wiring import DEFINITION
from shared.eventstore.decider import Event
from shared.eventstore.listing import Lister

from .test_carrier_and_bank import BANK_REGISTERED, CARRIER_REGISTERED
from .test_institution import REGISTERED as INSTITUTION_REGISTERED
from .test_organisation import REGISTERED as ORGANISATION_REGISTERED
from .test_person import REGISTERED as PERSON_REGISTERED

BY_KIND = {lister.kind: lister for lister in LISTERS}


@pytest.mark.parametrize(
    ("kind", "event", "facets"),
    [
        ("institution", INSTITUTION_REGISTERED, {"code:demo-11", "kind:college", "district:310115"}),
        ("carrier", CARRIER_REGISTERED, {"code:demo-1", "kind:district", "district:310115"}),
        ("bank", BANK_REGISTERED, {"code:demo-a"}),
        (
            "organisation",
            ORGANISATION_REGISTERED,
            {"status:registered", "credit_code:91310101MA61344YXX", "district:310101"},
        ),
    ],
)
def test_a_resource_is_found_by_its_facets(kind: str, event: Event, facets: set[str]) -> None:
    lister = BY_KIND[kind]
    listed = lister.show("x_1", lister.aggregate.fold([event]))
    assert set(listed.facets) == facets
    assert listed.body.id == "x_1"  # type: ignore[attr-defined]


def test_an_organisation_outside_the_city_and_gone_is_found_as_such() -> None:
    gone = OrganisationDeregistered(
        organisation_id=ORGANISATION_REGISTERED.organisation_id, deregistered_on=date(2025, 3, 3)
    )
    state = ORGANISATION.fold([ORGANISATION_REGISTERED, gone])
    outside = type(state)(state.id, state.name, state.credit_code, "320500", state.registered_on, gone.deregistered_on)
    assert {"status:deregistered", "district:outside"} < set(BY_KIND["organisation"].show("org_1", outside).facets)


def test_persons_have_no_list() -> None:
    assert PERSON_REGISTERED.person_id.partition("_")[0] not in {lister.aggregate.prefix for lister in LISTERS}


def test_every_lister_lists_an_aggregate_of_the_service() -> None:
    def prefixes(listers: tuple[Lister, ...]) -> set[str]:
        return {lister.aggregate.prefix for lister in listers}

    assert prefixes(tuple(DEFINITION.listers)) <= {aggregate.prefix for aggregate in DEFINITION.aggregates}

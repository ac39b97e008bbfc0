"""An entry: in effect until it is suspended, revoked, expired, or loses what it rests on."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from services.loans.domain.entry import (
    ENTRY,
    Cause,
    EntryCommand,
    EntryEvent,
    EntryExpired,
    EntryRevoked,
    EntrySuspended,
    ExpireEntry,
    PutInEffect,
    RecheckEntry,
    RevokeEntry,
    SuspendEntry,
    decide,
)
from services.loans.domain.screening import CertificateSeen, Facts
from shared.eventstore.decider import Release, Take

from .samples import ENTRY_1, GOOD, IN_EFFECT, LAST_DAY, TODAY, WITHDRAWN, facts
from .spec import given

AFTER = LAST_DAY + timedelta(days=1)
BY = "carrier:demo-1"
SUSPENDED = EntrySuspended(ENTRY_1, "recommender", "待核", TODAY, BY)
REVOKED = EntryRevoked(ENTRY_1, "recommender", "不再推荐", TODAY, BY)
EXPIRED = EntryExpired(ENTRY_1, AFTER)
SUSPEND = SuspendEntry("recommender", "待核", BY, TODAY)
REVOKE = RevokeEntry("recommender", "不再推荐", BY, TODAY)


@pytest.mark.clause("A-12")
def test_an_entry_takes_effect_once() -> None:
    given(ENTRY).when(decide, PutInEffect(IN_EFFECT)).then(IN_EFFECT)
    given(ENTRY, IN_EFFECT).when(decide, PutInEffect(IN_EFFECT)).then()


@pytest.mark.clause("A-12")
def test_an_entry_in_effect_is_suspended_once() -> None:
    given(ENTRY, IN_EFFECT).when(decide, SUSPEND).then(SUSPENDED)
    given(ENTRY, IN_EFFECT, SUSPENDED).when(decide, SUSPEND).then()


@pytest.mark.clause("A-12")
@pytest.mark.parametrize("before", [(), (SUSPENDED,)])
def test_an_entry_in_effect_or_suspended_is_revoked_once(before: tuple[EntryEvent, ...]) -> None:
    given(ENTRY, IN_EFFECT, *before).when(decide, REVOKE).then(REVOKED)
    given(ENTRY, IN_EFFECT, *before, REVOKED).when(decide, REVOKE).then()


def test_a_revoked_entry_is_not_suspended() -> None:
    refused = given(ENTRY, IN_EFFECT, REVOKED).when(decide, SUSPEND).refused("wrong_state")
    assert refused.extensions == {"entry_status": "revoked"}


@pytest.mark.parametrize("before", [(), (EXPIRED,)])
@pytest.mark.parametrize("command", [replace(SUSPEND, today=AFTER), replace(REVOKE, today=AFTER)])
def test_an_entry_past_its_last_day_is_over_whether_or_not_the_timer_woke(
    before: tuple[EntryEvent, ...], command: EntryCommand
) -> None:
    refused = given(ENTRY, IN_EFFECT, *before).when(decide, command).refused("wrong_state")
    assert refused.extensions == {"entry_status": "expired"}


@pytest.mark.clause("A-12")
@pytest.mark.parametrize("before", [(), (SUSPENDED,)])
def test_an_entry_expires_after_its_last_day_and_not_on_it(before: tuple[EntryEvent, ...]) -> None:
    given(ENTRY, IN_EFFECT, *before).when(decide, ExpireEntry(LAST_DAY)).then()
    given(ENTRY, IN_EFFECT, *before).when(decide, ExpireEntry(AFTER)).then(EXPIRED)


@pytest.mark.parametrize("end", [REVOKED, EXPIRED])
def test_an_entry_that_is_over_does_not_expire_again(end: EntryEvent) -> None:
    given(ENTRY, IN_EFFECT, end).when(decide, ExpireEntry(AFTER)).then()


@pytest.mark.clause("A-12")
@pytest.mark.parametrize(
    ("cause", "seen"),
    [
        ("consent_withdrawn", WITHDRAWN),
        ("certificate_revoked", facts(certificate=CertificateSeen(True, TODAY))),
        ("organisation_deregistered", facts(organisation_deregistered_on=TODAY)),
        ("person_died", facts(person_died_on=TODAY)),
    ],
)
@pytest.mark.parametrize("before", [(), (SUSPENDED,)])
def test_an_entry_ends_when_what_it_rests_on_is_taken_away(
    cause: Cause, seen: Facts, before: tuple[EntryEvent, ...]
) -> None:
    expected = EntryRevoked(ENTRY_1, cause, "", TODAY)
    given(ENTRY, IN_EFFECT, *before).when(decide, RecheckEntry(seen)).then(expected)
    assert ENTRY.fold([IN_EFFECT, *before, expected]).cause == cause


@pytest.mark.parametrize("seen", [GOOD, facts(roles=())])
def test_an_entry_goes_on_while_nothing_was_taken_away(seen: Facts) -> None:
    given(ENTRY, IN_EFFECT).when(decide, RecheckEntry(seen)).then()


@pytest.mark.parametrize("end", [REVOKED, EXPIRED])
def test_an_entry_that_is_over_does_not_end_again(end: EntryEvent) -> None:
    given(ENTRY, IN_EFFECT, end).when(decide, RecheckEntry(WITHDRAWN)).then()


def test_an_entry_past_its_last_day_is_left_to_expire() -> None:
    given(ENTRY, IN_EFFECT).when(decide, RecheckEntry(replace(WITHDRAWN, on=AFTER))).then()


@pytest.mark.parametrize("command", [SUSPEND, REVOKE, RecheckEntry(GOOD), ExpireEntry(TODAY)])
def test_an_entry_that_never_took_effect_is_not_found(command: EntryCommand) -> None:
    given(ENTRY).when(decide, command).refused("not_found", 404)


@pytest.mark.clause("A-12")
def test_a_bank_sees_a_person_and_organisation_under_one_entry_until_it_is_over() -> None:
    held = [("whitelist/demo-a", "per_1/org_1"), ("whitelist/demo-b", "per_1/org_1")]
    live = ENTRY.fold([IN_EFFECT])
    assert list(ENTRY.limits(ENTRY.initial(), IN_EFFECT)) == [Take(*place) for place in held]
    assert list(ENTRY.limits(live, SUSPENDED)) == []
    assert list(ENTRY.limits(live, REVOKED)) == [Release(*place) for place in held]
    assert list(ENTRY.limits(live, EXPIRED)) == [Release(*place) for place in held]

"""A whitelist is the fold of its events: whatever happens in whatever order, the inline rows say the same."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.loans.domain.entry import (
    ENTRY,
    RESTING_ON,
    WHITELIST,
    Entry,
    ExpireEntry,
    PutInEffect,
    RecheckEntry,
    RevokeEntry,
    SuspendEntry,
    WhitelistRow,
    decide,
    rests_on,
    whitelist_key,
)
from shared.eventstore.decider import Rejection, Release, Take
from shared.values.ids import OrganisationId, PersonId, WhitelistEntryId

from .samples import GOOD, IN_EFFECT, TODAY, WITHDRAWN


class Store:
    """Limits and inline rows as the append function writes them: all changes of a command or none."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.held: dict[tuple[str, str], str] = {}
        self.rows: dict[tuple[str, str], msgspec.Struct] = {}

    def carry_out(self, entry_id: str, command: Any) -> None:
        entry = self.entries.get(entry_id, ENTRY.initial())
        decision = decide(command, entry)
        if isinstance(decision, Rejection):
            return
        held, rows = dict(self.held), dict(self.rows)
        for event in decision:
            for change in ENTRY.limits(entry, event):
                match change:
                    case Take(scope, key):
                        if (scope, key) in held:
                            return
                        held[scope, key] = entry_id
                    case Release(scope, key):
                        assert held.pop((scope, key)) == entry_id
            entry = ENTRY.evolve(entry, event)
            for row in ENTRY.rows(entry_id, entry, event):
                if row.value is None:
                    rows.pop((row.view, row.key), None)
                else:
                    rows[row.view, row.key] = row.value
        self.entries[entry_id], self.held, self.rows = entry, held, rows

    def folded(self) -> dict[tuple[str, str], msgspec.Struct]:
        """What the rows must be, told from the entries' states alone."""
        rows: dict[tuple[str, str], msgspec.Struct] = {}
        for entry in self.entries.values():
            terms = entry.terms
            if terms is None or entry.ended:
                continue
            for ground in (terms.person_id, terms.organisation_id, terms.consent_id, terms.certificate_no):
                if ground is not None:
                    rows[RESTING_ON, f"{terms.entry_id}/{ground}"] = rests_on(terms)
            if entry.status == "in_effect":
                for bank in terms.bank_codes:
                    place = (WHITELIST, whitelist_key(bank, terms.person_id, terms.organisation_id))
                    assert place not in rows, "two entries in effect for one bank, person and organisation"
                    rows[place] = WhitelistRow(terms.entry_id, terms.valid_until)
        return rows


days = st.integers(0, 40).map(lambda n: TODAY + timedelta(days=n))
entry_ids = st.sampled_from([f"wle_{n}" for n in range(5)])
banks = st.sets(st.sampled_from(["demo-a", "demo-b", "demo-c"]), min_size=1).map(lambda codes: tuple(sorted(codes)))


@st.composite
def steps(draw: st.DrawFn) -> tuple[str, Any]:
    entry_id, today = draw(entry_ids), draw(days)
    terms = replace(
        IN_EFFECT,
        entry_id=WhitelistEntryId(entry_id),
        bank_codes=draw(banks),
        person_id=PersonId(draw(st.sampled_from(["per_1", "per_2"]))),
        organisation_id=OrganisationId(draw(st.sampled_from(["org_1", "org_2"]))),
        valid_until=draw(days),
        certificate_no=draw(st.sampled_from([None, "SH/1"])),
    )
    command = draw(
        st.sampled_from(
            [
                PutInEffect(terms),
                PutInEffect(terms),
                SuspendEntry("authority", "", "usr_1", today),
                RevokeEntry("authority", "", "usr_1", today),
                RecheckEntry(GOOD),
                RecheckEntry(WITHDRAWN),
                ExpireEntry(today),
            ]
        )
    )
    return entry_id, command


@pytest.mark.clause("A-12")
@settings(max_examples=300)
@given(st.lists(steps(), max_size=40))
def test_after_any_sequence_of_events_the_rows_are_what_the_fold_says(taken: list[tuple[str, Any]]) -> None:
    store = Store()
    for entry_id, command in taken:
        store.carry_out(entry_id, command)
        assert store.rows == store.folded()


def test_a_pair_may_be_recommended_again_once_its_entry_is_over() -> None:
    store, second = Store(), replace(IN_EFFECT, entry_id=WhitelistEntryId("wle_9"))
    store.carry_out("wle_1", PutInEffect(IN_EFFECT))
    store.carry_out("wle_9", PutInEffect(second))
    assert "wle_9" not in store.entries
    store.carry_out("wle_1", RevokeEntry("authority", "", "usr_1", TODAY))
    store.carry_out("wle_9", PutInEffect(second))
    assert store.rows[WHITELIST, "demo-a/per_1/org_1"] == WhitelistRow(second.entry_id, second.valid_until)


def test_nothing_of_an_entry_that_is_over_is_left_in_the_rows() -> None:
    store = Store()
    store.carry_out("wle_1", PutInEffect(IN_EFFECT))
    assert len(store.rows) == 2 + 4
    store.carry_out("wle_1", ExpireEntry(date(2099, 1, 1)))
    assert store.rows == {}

"""Public notices: a frozen list, a number of working days, objections that hold one claim each."""

from datetime import date, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given as every
from hypothesis import strategies as st

from services.subsidy.domain.notice import (
    MOST_ENTRIES,
    NOTICE,
    CloseNotice,
    DecideObjection,
    DraftNotice,
    Entry,
    EntryRemoved,
    EscalateObjection,
    ExtendNotice,
    NoticeClosed,
    NoticeDrafted,
    NoticeExtended,
    NoticePublished,
    ObjectionDecided,
    ObjectionEscalated,
    ObjectionPlace,
    ObjectionRaised,
    PublishNotice,
    RaiseObjection,
    RemoveEntry,
    decide,
)
from shared.eventstore.decider import Event, Row
from shared.testing.spec import given
from shared.values.calendar import is_working_day
from shared.values.ids import ClaimId, NoticeId, PersonId
from shared.values.names import masked_name
from shared.values.personal import Sealed

ID, FIRST, SECOND = NoticeId("ntc_1"), ClaimId("clm_1"), ClaimId("clm_2")
SEALED: Sealed[str] = Sealed("per_1", "sm4-gcm", 1, b"")
MONDAY = date(2025, 3, 3)
DAY = timedelta(days=1)
PROGRAMME = "training-fee-subsidy"


def entry(claim: ClaimId) -> Entry:
    return Entry(claim, PersonId("per_1"), SEALED, SEALED, Decimal("1800.00"))


ENTRIES = (entry(FIRST), entry(SECOND))
DRAFTED = NoticeDrafted(ID, "310115", "名单", ENTRIES, "usr_1", PROGRAMME)
PUBLISHED = NoticePublished(ID, "usr_2", MONDAY, date(2025, 3, 10), False)
RAISED = ObjectionRaised(ID, "obj_1", FIRST, SEALED, date(2025, 3, 5), date(2025, 3, 12))
DECIDED = ObjectionDecided(ID, "obj_1", FIRST, True, "属实", "usr_3", date(2025, 3, 6))


def draft(*entries: Entry) -> DraftNotice:
    return DraftNotice(ID, "310115", PROGRAMME, "名单", entries, "usr_1")


@pytest.mark.clause("B-18")
def test_a_notice_is_drafted_with_its_entries_frozen() -> None:
    notice = given(NOTICE).when(decide, draft(*ENTRIES)).then(DRAFTED)
    assert (notice.status, notice.entries) == ("draft", ENTRIES)


@pytest.mark.parametrize("size", [0, MOST_ENTRIES + 1])
def test_a_notice_is_neither_empty_nor_endless(size: int) -> None:
    given(NOTICE).when(decide, draft(*[entry(FIRST)] * size)).then_rejected("notice_size", 422)


@pytest.mark.clause("B-18")
@pytest.mark.parametrize(
    ("published", "last_day", "why"),
    [
        (MONDAY, date(2025, 3, 10), "a Monday: the day itself does not count"),
        (date(2025, 3, 7), date(2025, 3, 14), "a Friday"),
        (date(2025, 3, 8), date(2025, 3, 14), "a Saturday"),
        (date(2025, 1, 24), date(2025, 2, 7), "over 春节, with Sunday 26 January worked"),
        (date(2025, 1, 26), date(2025, 2, 8), "over 春节, with Saturday 8 February worked"),
        (date(2025, 4, 25), date(2025, 5, 6), "over 劳动节, with Sunday 27 April worked"),
        (date(2025, 9, 26), date(2025, 10, 10), "over 国庆节, with Sunday 28 September worked"),
        (date(2025, 9, 29), date(2025, 10, 13), "over 国庆节, with Saturday 11 October worked"),
        (date(2024, 12, 31), date(2025, 1, 8), "over 元旦"),
    ],
)
def test_a_notice_stands_for_five_working_days_of_the_announced_calendar(
    published: date, last_day: date, why: str
) -> None:
    expected = NoticePublished(ID, "usr_2", published, last_day, False)
    given(NOTICE, DRAFTED).when(decide, PublishNotice("usr_2", published, 5)).then(expected)


@pytest.mark.clause("B-18")
@pytest.mark.parametrize(
    ("published", "provisional"),
    [(date(2026, 12, 1), False), (date(2026, 12, 28), True), (date(2027, 3, 1), True)],
)
def test_a_notice_that_reaches_into_a_year_not_announced_yet_says_so(published: date, provisional: bool) -> None:
    command = PublishNotice("usr_2", published, 5)
    decision = given(NOTICE, DRAFTED).when(decide, command).decision
    assert not hasattr(decision, "code")
    [event] = decision
    assert isinstance(event, NoticePublished)
    assert event.calendar_provisional is provisional


@pytest.mark.clause("B-18")
@every(st.dates(date(2024, 1, 1), date(2026, 11, 30)), st.integers(1, 30))
def test_between_publication_and_last_day_lie_exactly_the_working_days(published: date, days: int) -> None:
    decision = given(NOTICE, DRAFTED).when(decide, PublishNotice("usr_2", published, days)).decision
    [event] = decision  # type: ignore[misc]
    assert isinstance(event, NoticePublished)
    assert is_working_day(event.last_day)
    counted = sum(is_working_day(published + n * DAY) for n in range(1, (event.last_day - published).days + 1))
    assert counted == days


def test_a_notice_is_published_once() -> None:
    given(NOTICE, DRAFTED, PUBLISHED).when(decide, PublishNotice("usr_2", MONDAY, 5)).then_rejected("already_published")


OBJECTION = RaiseObjection("obj_1", FIRST, SEALED, date(2025, 3, 5), 5)


@pytest.mark.clause("B-18")
def test_an_objection_is_raised_to_one_entry_and_is_to_be_settled_in_five_working_days() -> None:
    notice = given(NOTICE, DRAFTED, PUBLISHED).when(decide, OBJECTION).then(RAISED)
    assert notice.status == "published"
    assert [(key, item.claim_id, item.upheld) for key, item in notice.objections.items()] == [("obj_1", FIRST, None)]
    assert NOTICE.rows(ID, notice, RAISED) == (Row("objection", "obj_1", ObjectionPlace(ID, FIRST)),)
    assert NOTICE.rows(ID, notice, PUBLISHED) == ()


@pytest.mark.clause("B-18")
@pytest.mark.parametrize(("today", "open_still"), [(date(2025, 3, 10), True), (date(2025, 3, 11), False)])
def test_objections_are_taken_through_the_last_day(today: date, open_still: bool) -> None:
    outcome = given(NOTICE, DRAFTED, PUBLISHED).when(decide, RaiseObjection("obj_1", FIRST, SEALED, today, 5))
    if open_still:
        outcome.then(ObjectionRaised(ID, "obj_1", FIRST, SEALED, today, date(2025, 3, 17)))
    else:
        outcome.then_rejected("notice_not_open")


def test_an_objection_needs_a_notice_that_is_up() -> None:
    given(NOTICE, DRAFTED).when(decide, OBJECTION).then_rejected("notice_not_open")
    given(NOTICE, DRAFTED, PUBLISHED, NoticeClosed(ID)).when(decide, OBJECTION).then_rejected("notice_not_open")


def test_an_objection_to_a_claim_that_the_notice_does_not_name_is_refused() -> None:
    command = RaiseObjection("obj_1", ClaimId("clm_9"), SEALED, MONDAY, 5)
    given(NOTICE, DRAFTED, PUBLISHED).when(decide, command).then_rejected("not_in_notice", 422)


@pytest.mark.clause("B-18")
@pytest.mark.parametrize("upheld", [True, False])
def test_an_objection_is_decided_once_also_after_the_notice_came_down(upheld: bool) -> None:
    command = DecideObjection("obj_1", upheld, "属实", "usr_3", date(2025, 3, 11))
    decided = ObjectionDecided(ID, "obj_1", FIRST, upheld, "属实", "usr_3", date(2025, 3, 11))
    notice = given(NOTICE, DRAFTED, PUBLISHED, RAISED, NoticeClosed(ID)).when(decide, command).then(decided)
    assert notice.objections["obj_1"].upheld is upheld
    given(NOTICE, DRAFTED, PUBLISHED, RAISED, DECIDED).when(decide, command).then_rejected("already_decided")


def test_an_unknown_objection_is_not_decided() -> None:
    command = DecideObjection("obj_9", True, "", "usr_3", MONDAY)
    given(NOTICE, DRAFTED, PUBLISHED, RAISED).when(decide, command).then_rejected("not_found", 404)


@pytest.mark.clause("B-18")
@pytest.mark.parametrize(("today", "closes"), [(date(2025, 3, 10), False), (date(2025, 3, 11), True)])
def test_a_notice_comes_down_when_its_last_day_is_over_and_not_before(today: date, closes: bool) -> None:
    outcome = given(NOTICE, DRAFTED, PUBLISHED).when(decide, CloseNotice(today))
    if closes:
        assert outcome.then(NoticeClosed(ID)).status == "closed"
    else:
        outcome.then_nothing()


def test_a_timer_that_comes_twice_or_to_a_draft_closes_nothing() -> None:
    given(NOTICE, DRAFTED, PUBLISHED, NoticeClosed(ID)).when(decide, CloseNotice(date(2025, 4, 1))).then_nothing()
    given(NOTICE, DRAFTED).when(decide, CloseNotice(date(2025, 4, 1))).then_nothing()


@pytest.mark.parametrize(
    "command",
    [
        PublishNotice("usr_2", MONDAY, 5),
        OBJECTION,
        DecideObjection("obj_1", True, "", "u", MONDAY),
        CloseNotice(MONDAY),
    ],
)
def test_nothing_happens_to_a_notice_that_is_not_known(command: object) -> None:
    given(NOTICE).when(decide, command).then_rejected("not_found", 404)


# -- what changes while it is up -------------------------------------------------------------------------------------


@pytest.mark.clause("B-18")
def test_claims_that_cannot_be_shown_any_more_are_left_out_and_the_others_are_published() -> None:
    published = msgspec.structs.replace(PUBLISHED, left_out=(FIRST,))
    notice = given(NOTICE, DRAFTED).when(decide, PublishNotice("usr_2", MONDAY, 5, (FIRST,))).then(published)
    assert [item.claim_id for item in notice.entries] == [SECOND]


def test_a_notice_of_which_nothing_is_left_is_not_published() -> None:
    given(NOTICE, DRAFTED).when(decide, PublishNotice("usr_2", MONDAY, 5, (FIRST, SECOND))).then_rejected(
        "nothing_to_notice"
    )


@pytest.mark.clause("B-18")
def test_a_period_is_extended_from_its_last_day_on_and_ends_later() -> None:
    longer = NoticeExtended(ID, date(2025, 3, 13), False, "usr_2")
    notice = given(NOTICE, DRAFTED, PUBLISHED).when(decide, ExtendNotice("usr_2", date(2025, 3, 10), 3)).then(longer)
    assert notice.last_day == date(2025, 3, 13)
    given(NOTICE, DRAFTED, PUBLISHED, longer).when(decide, CloseNotice(date(2025, 3, 11))).then_nothing()
    given(NOTICE, DRAFTED, PUBLISHED, longer).when(decide, CloseNotice(date(2025, 3, 14))).then(NoticeClosed(ID))


@pytest.mark.parametrize(
    ("past", "today"),
    [((DRAFTED,), MONDAY), ((DRAFTED, PUBLISHED), date(2025, 3, 11)), ((DRAFTED, PUBLISHED, NoticeClosed(ID)), MONDAY)],
)
def test_only_a_period_that_runs_is_extended(past: tuple[Event, ...], today: date) -> None:
    given(NOTICE, *past).when(decide, ExtendNotice("usr_2", today, 3)).then_rejected("notice_not_open")


@every(st.dates(date(2024, 1, 1), date(2026, 11, 1)), st.integers(1, 60), st.integers(1, 60))
def test_an_extension_never_shortens(published_on: date, days: int, more: int) -> None:
    first = given(NOTICE, DRAFTED).when(decide, PublishNotice("usr_2", published_on, days))
    notice = NOTICE.fold([DRAFTED, *first.decision])  # type: ignore[misc]
    assert notice.last_day is not None
    longer = given(NOTICE, DRAFTED, *first.decision).when(decide, ExtendNotice("usr_2", published_on, more)).decision  # type: ignore[misc]
    last_day = NOTICE.fold(longer, notice).last_day  # type: ignore[arg-type]
    assert last_day is not None
    assert last_day > notice.last_day
    assert is_working_day(last_day)


@pytest.mark.clause("B-18")
def test_the_line_of_a_claim_that_came_to_nothing_is_taken_off_once() -> None:
    removed = EntryRemoved(ID, FIRST)
    notice = given(NOTICE, DRAFTED, PUBLISHED).when(decide, RemoveEntry(FIRST)).then(removed)
    assert [item.claim_id for item in notice.entries] == [SECOND]
    given(NOTICE, DRAFTED, PUBLISHED, removed).when(decide, RemoveEntry(FIRST)).then_nothing()
    given(NOTICE, DRAFTED, PUBLISHED, NoticeClosed(ID)).when(decide, RemoveEntry(FIRST)).then_nothing()


@pytest.mark.parametrize(("today", "told"), [(date(2025, 3, 12), False), (date(2025, 3, 13), True)])
def test_an_objection_that_is_not_settled_in_time_is_escalated_once(today: date, told: bool) -> None:
    escalated = ObjectionEscalated(ID, "obj_1", date(2025, 3, 12), "市就业促进中心")
    outcome = given(NOTICE, DRAFTED, PUBLISHED, RAISED).when(decide, EscalateObjection("obj_1", today))
    if told:
        outcome.then(escalated)
    else:
        outcome.then_nothing()
    given(NOTICE, DRAFTED, PUBLISHED, RAISED, escalated).when(decide, EscalateObjection("obj_1", today)).then_nothing()
    given(NOTICE, DRAFTED, PUBLISHED, RAISED, DECIDED).when(decide, EscalateObjection("obj_1", today)).then_nothing()


@pytest.mark.parametrize(
    ("name", "masked"),
    [("李明", "李*"), ("欧阳文", "欧*文"), ("阿不都热合曼", "阿****曼"), ("𠮷田", "𠮷*"), ("明", "*"), ("", "*")],
)
def test_a_masked_name_shows_its_outer_characters_only(name: str, masked: str) -> None:
    assert masked_name(name) == masked

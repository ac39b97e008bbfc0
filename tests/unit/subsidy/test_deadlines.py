"""Deadlines of the subsidy, a table: month and year ends, leap days, holidays, and the weekends worked for them.

Worked out by hand from the State Council's announcements. In 2025 offices were shut from 28 January to 4 February, 1 to
5 May, 31 May to 2 June and 1 to 8 October; open on 26 January, 8 February, 27 April, 28 September and 11 October. In
2026 they are shut from 1 to 3 January and 15 to 23 February, and open on 4 January, 14 and 28 February. 2027 is not
announced.
"""

from datetime import date
from typing import Literal

import pytest

from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_decisions import CorrectClaim, EscalateClaim, RequestCorrection, ReviewClaim, decide
from services.subsidy.domain.claim_events import ClaimCorrected, ClaimEscalated, ClaimReviewed, CorrectionRequested
from services.subsidy.domain.notice import NOTICE, CloseNotice, Notice, NoticeClosed, PublishNotice, RaiseObjection
from services.subsidy.domain.notice import decide as decide_notice
from shared.eventstore.decider import Rejection
from shared.testing.spec import given
from shared.values.ids import NoticeId
from shared.values.personal import Sealed
from tests.unit.subsidy.samples import PASTS, REVIEWER, payee
from tests.unit.subsidy.test_notice_decisions import DRAFTED, FIRST, ID

Kind = Literal["notice", "objection", "correction", "review"]

TABLE: list[tuple[str, Kind, date, int, date, bool]] = [
    # clause, what, begun on, working days, last day, rests on a year not announced
    ("B-18", "notice", date(2025, 3, 3), 5, date(2025, 3, 10), False),  # Monday to Monday
    ("B-18", "notice", date(2025, 3, 1), 5, date(2025, 3, 7), False),  # published on a Saturday
    ("B-18", "notice", date(2025, 1, 24), 5, date(2025, 2, 7), False),  # over the Spring Festival
    ("B-18", "notice", date(2025, 1, 27), 5, date(2025, 2, 10), False),  # a Saturday worked
    ("B-18", "notice", date(2025, 4, 25), 5, date(2025, 5, 6), False),  # a Sunday worked, Labour Day
    ("B-18", "notice", date(2025, 9, 26), 5, date(2025, 10, 10), False),  # National Day
    ("B-18", "notice", date(2025, 9, 30), 5, date(2025, 10, 14), False),
    ("B-18", "notice", date(2024, 2, 28), 5, date(2024, 3, 6), False),  # a leap day is a day
    ("B-18", "notice", date(2025, 12, 29), 5, date(2026, 1, 6), False),  # year end
    ("B-18", "notice", date(2026, 12, 29), 5, date(2027, 1, 5), True),  # 1 January 2027 counted as a weekday
    ("B-18", "objection", date(2026, 2, 13), 5, date(2026, 2, 27), False),
    ("B-18", "objection", date(2025, 3, 31), 5, date(2025, 4, 8), False),  # month end, Qingming
    ("B-17", "correction", date(2025, 5, 30), 5, date(2025, 6, 9), False),  # Dragon Boat Festival
    ("B-17", "correction", date(2025, 12, 31), 5, date(2026, 1, 8), False),
    ("B-17", "review", date(2025, 3, 3), 10, date(2025, 3, 17), False),
    ("B-17", "review", date(2025, 1, 20), 10, date(2025, 2, 8), False),  # ends on a Saturday worked
]


def last_day_of(what: Kind, begun: date, days: int) -> date | None:
    """The last day that the decision itself sets."""
    match what:
        case "notice":
            return _published(begun, days).last_day
        case "objection":
            notice = _published(begun, 60)
            raise_it = RaiseObjection("obj_1", FIRST, Sealed("per_1", "sm4-gcm", 1, b""), begun, days)
            [raised] = decide_notice(raise_it, notice)  # type: ignore[misc]
            return NOTICE.evolve(notice, raised).objections["obj_1"].settle_by
        case "correction":
            asked = decide(RequestCorrection(REVIEWER, ("账户",), begun, days), CLAIM.fold(PASTS["submitted"]))
            assert not isinstance(asked, Rejection)
            assert isinstance(asked[0], CorrectionRequested)
            return asked[0].due_on
        case "review":
            reviewed = decide(ReviewClaim(REVIEWER, "", begun, days), CLAIM.fold(PASTS["submitted"]))
            assert not isinstance(reviewed, Rejection)
            assert isinstance(reviewed[0], ClaimReviewed)
            return reviewed[0].due_on


def _published(on: date, days: int) -> Notice:
    decision = decide_notice(PublishNotice("usr_2", on, days), NOTICE.fold([DRAFTED]))
    return NOTICE.fold(decision, NOTICE.fold([DRAFTED]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "begun", "days", "last_day"),
    [pytest.param(*row[1:5], marks=pytest.mark.clause(row[0]), id=f"{row[1]}-{row[2]}") for row in TABLE],
)
def test_the_last_day_is_the_one_in_the_table(what: Kind, begun: date, days: int, last_day: date) -> None:
    assert last_day_of(what, begun, days) == last_day


@pytest.mark.clause("B-18")
@pytest.mark.parametrize(("begun", "provisional"), [(row[2], row[5]) for row in TABLE if row[1] == "notice"])
def test_a_period_that_rests_on_a_year_not_announced_says_so(begun: date, provisional: bool) -> None:
    [published] = decide_notice(PublishNotice("usr_2", begun, 5), NOTICE.fold([DRAFTED]))  # type: ignore[misc]
    assert published.calendar_provisional is provisional  # type: ignore[union-attr]


@pytest.mark.clause("B-18")
@pytest.mark.parametrize("row", [row for row in TABLE if row[1] == "notice"], ids=lambda row: str(row[2]))
def test_a_notice_stays_up_through_its_last_day_and_is_closed_on_the_next(
    row: tuple[str, Kind, date, int, date],
) -> None:
    notice = _published(row[2], row[3])
    assert decide_notice(CloseNotice(row[4]), notice) == []
    after = date.fromordinal(row[4].toordinal() + 1)
    assert decide_notice(CloseNotice(after), notice) == [NoticeClosed(NoticeId(ID))]


@pytest.mark.clause("B-17")
def test_a_correction_on_the_last_day_is_in_time_and_on_the_next_is_late() -> None:
    asked = CorrectionRequested(REVIEWER, ("账户",), date(2025, 6, 9))
    past = (*PASTS["submitted"], asked)
    in_time = CorrectClaim(payee(b"another"), date(2025, 6, 9))
    given(CLAIM, *past).when(decide, in_time).then(ClaimCorrected(in_time.payee, in_time.today))
    given(CLAIM, *past).when(decide, CorrectClaim(payee(b"another"), date(2025, 6, 10))).then_rejected(
        "correction_late"
    )


@pytest.mark.clause("B-17")
def test_a_review_on_its_last_day_is_not_late() -> None:
    past = (*PASTS["submitted"], ClaimReviewed(REVIEWER, "", date(2025, 1, 20), date(2025, 2, 10)))
    given(CLAIM, *past).when(decide, EscalateClaim(date(2025, 2, 10))).then_nothing()
    given(CLAIM, *past).when(decide, EscalateClaim(date(2025, 2, 11))).then(
        ClaimEscalated("approval", date(2025, 2, 10), "市就业促进中心")
    )

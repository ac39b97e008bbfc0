"""Money is exact, has two places, and survives its way through JSON."""

import math
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.values.money import ZERO, Money, exact, format_money, parse_money, rounded, total
from shared.values.rejected import Invalid

amounts = st.integers(-(10**15), 10**15).map(lambda cents: exact(Decimal(cents) / 100))


class Granted(msgspec.Struct, frozen=True):
    amount: Money


@pytest.mark.clause("B-11")
def test_the_subsidy_amount_is_written_as_text_with_two_places() -> None:
    amount = parse_money("1800")
    assert not isinstance(amount, Invalid)
    assert msgspec.json.encode(Granted(amount)) == b'{"amount":"1800.00"}'


@given(amounts)
def test_an_amount_comes_back_from_an_event_as_it_was_written(amount: Money) -> None:
    decoded = msgspec.json.decode(msgspec.json.encode(Granted(amount)), type=Granted)
    assert decoded.amount == amount
    assert format_money(decoded.amount) == format_money(amount) == str(amount)


@given(amounts)
def test_parsing_undoes_formatting(amount: Money) -> None:
    assert parse_money(format_money(amount), allow_negative=True) == amount


@given(st.lists(st.integers(-(10**13), 10**13), max_size=50))
def test_a_total_is_exact_to_the_cent(cents: list[int]) -> None:
    assert total(exact(Decimal(c) / 100) for c in cents) * 100 == sum(cents)


def test_the_total_of_nothing_has_two_places() -> None:
    assert str(total([])) == "0.00" == str(ZERO)


@pytest.mark.parametrize("text", ["0", "0.0", "0.00", "1", "1.5", "1.50", "9999999999999999.99"])
def test_plain_amounts_are_read(text: str) -> None:
    amount = parse_money(text)
    assert not isinstance(amount, Invalid)
    assert amount == Decimal(text)
    assert amount.as_tuple().exponent == -2


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1\n",
        "+1",
        "01",
        ".5",
        "1.",
        "1.234",
        "1e3",
        "1E+3",
        "1,800.00",
        "NaN",
        "Infinity",
        "１８",
        "¥1",
        "1_0",
        "10000000000000000",
    ],
)
def test_every_other_form_is_refused(text: str) -> None:
    refused = parse_money(text, allow_negative=True)
    assert isinstance(refused, Invalid)
    assert refused.code == "money.form"


@pytest.mark.parametrize("value", [1800.0, 1800, None, True, b"1800"])
def test_what_is_not_text_is_refused(value: object) -> None:
    refused = parse_money(value)
    assert isinstance(refused, Invalid)
    assert refused.code == "money.not_text"


@pytest.mark.parametrize("text", ["-1", "-0.01", "-0"])
def test_a_negative_amount_is_refused_unless_allowed(text: str) -> None:
    refused = parse_money(text)
    assert isinstance(refused, Invalid)
    assert refused.code == "money.negative"
    assert parse_money(text, allow_negative=True) == Decimal(text)


def test_there_is_no_negative_zero() -> None:
    assert str(exact(Decimal("-0.00"))) == str(rounded(Decimal("-0.001"))) == "0.00"


@pytest.mark.parametrize(
    "amount", [Decimal("0.001"), Decimal("NaN"), Decimal("Infinity"), Decimal(10) ** 16, 1.5, True]
)
def test_an_amount_that_is_not_exact_is_never_made_to_fit(amount: Decimal) -> None:
    with pytest.raises(ValueError, match="money"):
        exact(amount)


@given(st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=6))
def test_rounding_moves_an_amount_by_half_a_cent_at_most(amount: Decimal) -> None:
    assert abs(rounded(amount) - amount) <= Decimal("0.005")


def test_half_a_cent_is_rounded_away_from_zero() -> None:
    assert [str(rounded(Decimal(a))) for a in ("0.005", "0.015", "-0.005")] == ["0.01", "0.02", "-0.01"]


@pytest.mark.parametrize("amount", [Decimal("NaN"), Decimal("-Infinity"), Decimal(10) ** 16, math.pi])
def test_what_is_no_amount_is_not_rounded(amount: Decimal) -> None:
    with pytest.raises(ValueError, match="money"):
        rounded(amount)

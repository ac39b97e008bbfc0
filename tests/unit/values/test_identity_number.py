"""Identity numbers are judged as POLICY.md section 2 says, and never shown whole."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.values.identity_number import (
    HMT_AREAS,
    PROVINCES,
    IdentityKind,
    IdentityNumber,
    check_sign,
    mask,
    parse_identity_number,
)
from shared.values.rejected import Invalid
from shared.values.sex import Sex

TODAY = date(2025, 3, 3)


def number(area: str, birth: str, sequence: str = "002") -> str:
    first = f"{area}{birth}{sequence}"
    return first + check_sign(first)


def accepted(text: str, today: date = TODAY) -> IdentityNumber:
    result = parse_identity_number(text, today)
    assert isinstance(result, IdentityNumber), result
    return result


def refused(text: object, today: date = TODAY) -> str:
    result = parse_identity_number(text, today)
    assert isinstance(result, Invalid), result
    return result.code


areas = st.one_of(
    st.tuples(st.sampled_from(sorted(PROVINCES)), st.integers(0, 9999)).map(lambda pair: f"{pair[0]}{pair[1]:04d}"),
    st.sampled_from(sorted(HMT_AREAS)),
    st.integers(900000, 999999).map(str),
)
births = st.dates(date(1900, 1, 1), TODAY)
sequences = st.integers(0, 999).map(lambda n: f"{n:03d}")
numbers = st.builds(lambda a, b, s: number(a, f"{b:%Y%m%d}", s), areas, births, sequences)


@pytest.mark.parametrize(
    ("text", "kind", "sex"),
    [
        ("11010519491231002X", IdentityKind.RESIDENT, Sex.FEMALE),  # the example of GB 11643
        ("440524188001010014", IdentityKind.RESIDENT, Sex.MALE),  # the other one
        (number("310108", "19850615", "123"), IdentityKind.RESIDENT, Sex.MALE),
        (number("310151", "19990101", "124"), IdentityKind.RESIDENT, Sex.FEMALE),
        (number("310225", "19700228", "009"), IdentityKind.RESIDENT, Sex.MALE),
        ("810000199408230021", IdentityKind.HMT_RESIDENT, Sex.FEMALE),
        (number("820000", "20000229"), IdentityKind.HMT_RESIDENT, Sex.FEMALE),
        (number("830000", "19810505", "111"), IdentityKind.HMT_RESIDENT, Sex.MALE),
        (number("931156", "19810505", "111"), IdentityKind.FOREIGN_PERMANENT, Sex.MALE),
    ],
)
def test_every_kind_of_18_digit_number_is_read(text: str, kind: IdentityKind, sex: Sex) -> None:
    result = accepted(text)
    assert (result.kind, result.sex, result.area) == (kind, sex, text[:6])
    assert result.birth_date is not None
    assert f"{result.birth_date:%Y%m%d}" == text[6:14]


def test_the_old_foreigners_form_is_read_without_birth_date_or_sex() -> None:
    assert accepted("FRA310085061502") == IdentityNumber(
        "FRA310085061502", IdentityKind.FOREIGN_PERMANENT_OLD, None, Sex.UNKNOWN, None
    )


def test_blanks_and_a_small_x_are_forgiven() -> None:
    assert accepted(" 11010519491231002x ").number == "11010519491231002X"
    assert accepted("fra310085061502").number == "FRA310085061502"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("310101850615123", "identity_number.retired_15"),
        ("", "identity_number.form"),
        ("31010119850615123", "identity_number.form"),
        ("3101011985061512345", "identity_number.form"),
        ("31010119850615X123", "identity_number.form"),
        ("３１０１０１１９８５０６１５１２３４", "identity_number.form"),
        ("FR3100850615021", "identity_number.form"),
        ("ﬀFRA31008506150", "identity_number.form"),
        ("11010519491231002X\n1", "identity_number.form"),
        (None, "identity_number.form"),
        (110105194912310021, "identity_number.form"),
        (number("810101", "19850615"), "identity_number.area"),
        (number("840000", "19850615"), "identity_number.area"),
        (number("000000", "19850615"), "identity_number.area"),
        ("110105194912310021", "identity_number.checksum"),
        (number("310101", "19850230"), "identity_number.birth_date"),
        (number("310101", "19000229"), "identity_number.birth_date"),
        (number("310101", "00000101"), "identity_number.birth_date"),
        (number("931156", "21990101"), "identity_number.birth_date"),
    ],
)
def test_each_fault_has_its_own_code(text: object, code: str) -> None:
    assert refused(text) == code


def test_a_birth_date_of_today_is_real_and_one_of_tomorrow_is_not() -> None:
    assert accepted(number("310101", "20250303")).birth_date == TODAY
    assert refused(number("310101", "20250304")) == "identity_number.birth_date"


@given(numbers)
def test_every_well_made_number_is_accepted(text: str) -> None:
    assert accepted(text).number == text


@given(numbers, st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed(text: str, place: int, shift: int) -> None:
    wrong = text[:place] + str((int(text[place]) + shift) % 10) + text[place + 1 :]
    assert isinstance(parse_identity_number(wrong, TODAY), Invalid)


@given(numbers, st.integers(0, 15))
def test_two_neighbours_swapped_are_always_noticed(text: str, place: int) -> None:
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    assert swapped == text or isinstance(parse_identity_number(swapped, TODAY), Invalid)


@given(st.text(max_size=24))
def test_no_text_makes_the_validator_raise(text: str) -> None:
    assert isinstance(parse_identity_number(text, TODAY), Invalid | IdentityNumber)


@given(numbers)
def test_a_message_or_a_repr_never_repeats_the_number(text: str) -> None:
    assert text not in repr(accepted(text))
    assert text[6:14] not in repr(accepted(text))
    refusal = parse_identity_number(text, date(1899, 1, 1))
    assert isinstance(refusal, Invalid)
    assert text[6:14] not in refusal.message


@pytest.mark.clause("B-18")
@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("310101198506151234", "310101********1234"),
        ("81000019940823002X", "810000********002X"),
        ("931156198105051119", "931156********1119"),
        ("FRA310085061502", "FRA3100******02"),
        ("310101850615123", "310101******123"),
        ("李四", "**"),
        ("", ""),
    ],
)
def test_the_birth_date_is_hidden_whatever_the_kind(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize("text", ["", "123", "1101051949123100", "11010519491231002X", "1101051949123100X"])
def test_a_check_sign_is_made_from_seventeen_digits_only(text: str) -> None:
    with pytest.raises(ValueError, match=r"seventeen|invalid"):
        check_sign(text)

"""Credit codes, accounts and mobile numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from shared.values.bank_card import NOT_A_CARD, AccountNumber, luhn_digit, mask_account, parse_account_number
from shared.values.credit_code import ALPHABET, check_sign, parse_credit_code, registering_area
from shared.values.mobile import mask_mobile, parse_mobile
from shared.values.rejected import Invalid

digits = st.text("0123456789", min_size=12, max_size=18)
codes = st.builds(
    lambda head, area, tail: f"{head}{area:06d}{tail}",
    st.text(ALPHABET, min_size=2, max_size=2),
    st.integers(0, 999999),
    st.text(ALPHABET, min_size=9, max_size=9),
).map(lambda first: first + check_sign(first))


def code_of(result: object) -> str:
    assert isinstance(result, Invalid), result
    return result.code


def test_the_codes_of_the_standard_are_accepted() -> None:
    for text in ("91350100M000100Y43", "91110000600037341L", " 91350100m000100y43 "):
        assert parse_credit_code(text) == text.strip().upper()
    code = parse_credit_code("91350100M000100Y43")
    assert not isinstance(code, Invalid)
    assert registering_area(code) == "350100"


@given(codes)
def test_the_weighted_signs_of_every_accepted_credit_code_add_up_to_a_multiple_of_31(code: str) -> None:
    assert parse_credit_code(code) == code
    assert (
        sum(ALPHABET.index(sign) * 3**place for place, sign in enumerate(code[:17])) + ALPHABET.index(code[17])
    ) % 31 == 0


@given(codes, st.integers(0, 16), st.integers(1, 30))
def test_one_wrong_sign_in_a_credit_code_is_always_noticed(code: str, place: int, shift: int) -> None:
    wrong = ALPHABET[(ALPHABET.index(code[place]) + shift) % 31]
    assert isinstance(parse_credit_code(code[:place] + wrong + code[place + 1 :]), Invalid)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "credit_code.length"),
        (None, "credit_code.length"),
        ("91350100M000100Y4", "credit_code.length"),
        ("91350100M000100Y430", "credit_code.length"),
        ("9135-0100M000100Y4", "credit_code.form"),
        ("91350100I000100Y43", "credit_code.form"),
        ("913501A0M000100Y43", "credit_code.form"),
        ("9135010０M000100Y43", "credit_code.form"),
        ("91350100M000100Y44", "credit_code.checksum"),
    ],
)
def test_each_fault_of_a_credit_code_has_its_own_code(text: object, code: str) -> None:
    assert code_of(parse_credit_code(text)) == code


@given(digits)
def test_a_number_with_its_luhn_digit_is_a_card(payload: str) -> None:
    number = payload + luhn_digit(payload)
    assert luhn.is_valid(number)
    assert parse_account_number(number) == AccountNumber(number)


@given(digits, st.integers(1, 9))
@pytest.mark.clause("B-19")
def test_a_passbook_account_is_accepted_with_a_warning(payload: str, shift: int) -> None:
    number = payload + str((int(luhn_digit(payload)) + shift) % 10)
    assert parse_account_number(number) == AccountNumber(number, NOT_A_CARD)


@pytest.mark.parametrize(
    "text", ["", "123456789012", "12345678901234567890", "6222021234567890X", "６２２２０２１２３４５６７８９", None, 1]
)
def test_what_is_no_account_number_is_refused(text: object) -> None:
    assert code_of(parse_account_number(text)) == "bank_card.form"


def test_spaces_between_groups_of_a_card_number_are_dropped() -> None:
    result = parse_account_number("4111 1111 1111 1111")
    assert result == AccountNumber("4111111111111111")


def test_an_account_shows_its_last_four_digits_only() -> None:
    assert mask_account("4111111111111111") == "**** 1111"
    assert mask_account("1234567") == "****"
    assert "411111111111" not in repr(AccountNumber("4111111111111111"))


@pytest.mark.parametrize(
    "text", ["13812345678", "+8613812345678", "138 1234 5678", "138-1234-5678", "0086 138 1234 5678"]
)
def test_a_mainland_mobile_number_is_kept_as_eleven_digits(text: str) -> None:
    assert parse_mobile(text) == "13812345678"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1381234567",
        "138123456789",
        "12012345678",
        "02161234567",
        "+85291234567",
        "+1 202 555 0123",
        "13812345678 ext 5",
        "１３８１２３４５６７８",
        "一三八",
        "1" * 300,
        None,
        13812345678,
    ],
)
def test_any_other_number_is_no_mobile(text: object) -> None:
    assert code_of(parse_mobile(text)) == "mobile.form"


@given(st.text(max_size=30))
def test_no_text_makes_a_validator_raise(text: str) -> None:
    for validate in (parse_mobile, parse_account_number, parse_credit_code):
        validate(text)


def test_a_mobile_number_hides_its_middle() -> None:
    assert mask_mobile("13812345678") == "138****5678"
    assert mask_mobile("12345") == "*****"

"""Personal values are found however they are spelt, and nothing else is taken for one."""

import json
import os
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from deploy.local.verify.spellings import Finder

NAMES = ("欧阳静怡", "向杰𪻐", "Maria Lopez-O'Neil")
NUMBERS = ("11010519491231002X", "13800138000", "4111111111111111")
FULL_WIDTH = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")

SPELT: dict[str, Callable[[str], bytes]] = {
    "明文": str.encode,
    "JSON 转义": lambda value: json.dumps({"name": value}).encode(),
    "URL 编码": lambda value: f"GET /v1/persons?name={quote(value, safe='')}&x=1".encode(),
    "十六进制": lambda value: value.encode().hex().encode(),
    "GB18030": lambda value: f"姓名：{value}。".encode("gb18030"),
}


@pytest.mark.parametrize("value", NAMES)
@pytest.mark.parametrize("spelling", SPELT)
def test_a_name_is_found_in_each_spelling(value: str, spelling: str) -> None:
    found = Finder([*NAMES, *NUMBERS]).found_in(b"claimant " + SPELT[spelling](value) + b" was here")
    assert found & {spelling, "明文"}


@pytest.mark.parametrize("value", NUMBERS)
def test_a_number_is_found_in_full_width_and_with_a_small_x(value: str) -> None:
    finder = Finder(NUMBERS)
    assert finder.found_in(f"号码{value.translate(FULL_WIDTH)}。".encode()) == {"全角"}
    assert finder.found_in(f"号码{value.translate(FULL_WIDTH)}。".encode("gb18030")) == (
        {"GB18030"} if value.translate(FULL_WIDTH) else set()
    )
    assert finder.found_in(f"no={value.lower()}".encode())


@pytest.mark.parametrize("value", [*NAMES, *NUMBERS])
@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("behind", range(4))
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_a_value_is_found_in_base64_wherever_it_stands(
    value: str, before: int, behind: int, encode: Callable[[bytes], bytes]
) -> None:
    text = encode(b"\xff" * before + value.encode() + b"\xfe" * behind)
    assert Finder([*NAMES, *NUMBERS]).found_in(b'{"box":"' + text + b'"}') == {"Base64"}


def test_escapes_are_found_in_either_case_and_escaped_once_more() -> None:
    finder = Finder(NAMES)
    escaped = json.dumps("欧阳静怡")[1:-1]
    for text in (escaped, escaped.upper().replace("\\U", "\\u"), json.dumps({"log": escaped})):
        assert finder.found_in(text.encode()) == {"JSON 转义"}
    for text in (quote("欧阳静怡"), quote("欧阳静怡").lower(), quote_plus("Maria Lopez-O'Neil")):
        assert finder.found_in(text.encode()) == {"URL 编码"}


def test_a_value_is_found_within_a_longer_text_and_behind_its_own_beginning() -> None:
    finder = Finder(NUMBERS)
    assert finder.found_in(b"0011010511010519491231002X99") == {"明文"}
    assert finder.found_in(b"411111411111411111111111111111") == {"明文"}
    assert finder.found_in(b"1380013800 4111111111111112 11010519491231002") == set()
    assert finder.found_in(b"") == set()


def test_what_is_masked_hashed_or_random_is_nothing_personal() -> None:
    finder = Finder([*NAMES, *NUMBERS])
    for text in ("欧*怡", "1101**********002X", "138****8000", "欧阳", "静怡", "阳静怡"):
        assert finder.found_in(text.encode()) == set()
    assert finder.found_in(os.urandom(2_000_000)) == set()


def test_utf_8_is_not_read_as_gb18030() -> None:
    value = "鏍煎紡"  # what the UTF-8 of 格式 reads as in GB18030
    assert value.encode("gb18030") == "格式".encode()
    assert Finder([value]).found_in("格式".encode()) == set()
    assert Finder([value]).found_in(b"\xff" + "格式".encode()) == {"GB18030"}


def test_without_values_there_is_nothing_to_find() -> None:
    assert Finder([]).found_in("欧阳静怡".encode()) == set()

"""The bank's two files: what we tell it to pay, and what it tells us of it."""

import csv
import io
from base64 import b64decode
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest
import sepaxml
import xmlschema
from hypothesis import given as every
from hypothesis import settings
from hypothesis import strategies as st

from services.subsidy.bank_files.pain_001 import NAMESPACE, as_pain_001
from services.subsidy.bank_files.payment_file import PayeeLine, PaymentFile, as_csv, content_digest
from services.subsidy.bank_files.result_file import read_result_file
from services.subsidy.domain.bank_results import BankLine
from services.subsidy.domain.payment_order import (
    RETURN_REASONS,
    Order,
    after,
    named_by,
    order_id,
    reason_of,
)
from shared.eventstore.decider import Rejection
from shared.values.ids import PaymentBatchId, new_id, uuid7

BATCH = PaymentBatchId("pay_0195c8f0-7a1e-7c3b-9d42-5b6f0e1a2c3d")
CLAIM = "clm_0195c8f0-7a1e-7c3b-9d42-5b6f0e1a2c3d"
ORDER = "0195c8f07a1e7c3b9d425b6f0e1a2c3d-01"
TODAY = date(2025, 3, 20)
RARE = "𠮷田㐀𪜶𫝀𮯠䶮"
"""Characters of CJK extension A to F, which older encodings do not have."""
SCHEMA = Path(sepaxml.__file__).parent / "schemas" / "pain.001.001.09.xsd"


def line(number: int = 1, holder: str = "陆一", amount: str = "1800.00", bank: str = "示范银行") -> PayeeLine:
    claim = new_id("clm", UUID(int=7 << 76 | 2 << 62 | number))
    return PayeeLine(order_id(claim, 1), holder, f"62220000000{number:05}", bank, Decimal(amount), "初创期培训费补贴")


def file(*lines: PayeeLine) -> PaymentFile:
    return PaymentFile(BATCH, date(2025, 3, 17), lines)


# -- an order's id ----------------------------------------------------------------------------------------------------


@pytest.mark.clause("B-19")
def test_an_order_s_id_is_its_claim_and_attempt_and_fits_where_the_bank_keeps_it() -> None:
    assert order_id(CLAIM, 1) == ORDER
    assert len(ORDER) == 35
    assert named_by(ORDER) == (CLAIM, 1)
    assert order_id(CLAIM, 2) != ORDER


@pytest.mark.parametrize(
    "text", ["", "x", CLAIM, ORDER[:-1], f"{ORDER}0", ORDER.upper(), f"{ORDER[:-2]}00", " " + ORDER]
)
def test_what_is_no_order_s_id_names_nothing(text: str) -> None:
    assert named_by(text) is None


@pytest.mark.clause("B-19")
@pytest.mark.parametrize(
    ("known", "told", "then"),
    [
        ("ordered", "paid", "paid"), ("ordered", "returned", "returned"), ("ordered", "unknown", "unknown"),
        ("unknown", "paid", "paid"), ("unknown", "returned", "returned"), ("unknown", "unknown", "unknown"),
        ("paid", "paid", "paid"), ("paid", "returned", "returned"), ("paid", "unknown", "paid"),
        ("returned", "paid", None), ("returned", "returned", "returned"), ("returned", "unknown", "returned"),
    ],
)  # fmt: skip
def test_an_order_ends_as_it_is_told_and_what_is_known_is_not_unknown_again(
    known: str, told: str, then: str | None
) -> None:
    order = Order(1, BATCH, Decimal("1800.00"), known, TODAY)  # type: ignore[arg-type]
    assert after(order, told, TODAY) == then  # type: ignore[arg-type]


@pytest.mark.clause("B-19")
@pytest.mark.parametrize(("days", "then"), [(-1, "returned"), (0, None), (1, None)])
def test_a_payment_told_after_its_return_is_no_new_one(days: int, then: str | None) -> None:
    returned = Order(1, BATCH, Decimal("1800.00"), "returned", TODAY)
    assert after(returned, "paid", TODAY + timedelta(days)) == then


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("户名不符", "name_differs"),
        ("account_closed", "account_closed"),
        ("AC04", "account_closed"),
        ("be01", "name_differs"),
        (" 账号不存在 ", "account_unknown"),
        ("张三的账户有问题", "other"),
        ("", "other"),
    ],
)
def test_a_bank_s_reason_becomes_one_of_ours_and_its_own_words_stay_in_its_file(text: str, code: str) -> None:
    assert reason_of(text) == code
    assert code in RETURN_REASONS


# -- the payment file -------------------------------------------------------------------------------------------------


@pytest.mark.clause("B-19")
@pytest.mark.clause("B-35")
def test_the_text_declares_count_and_total_and_has_a_line_for_each_order() -> None:
    written = as_csv(file(line(1), line(2, "欧阳，二", "1800.01", '银行"东"支行')))
    assert written.endswith(b"\r\n")
    assert written.count(b"\r\n") == 3
    rows = list(csv.reader(io.StringIO(written.decode("gb18030"), newline="")))
    assert rows[0] == [BATCH, "2", "3600.01", "CNY"]
    assert rows[2] == [line(2).order_id, "欧阳，二", "6222000000000002", '银行"东"支行', "1800.01", "初创期培训费补贴"]


@pytest.mark.clause("B-19")
@pytest.mark.parametrize("written", [as_csv, as_pain_001])
def test_rare_characters_come_through(written: object) -> None:
    content = written(file(line(1, RARE)))  # type: ignore[operator]
    encoding = "gb18030" if written is as_csv else "utf-8"
    assert RARE in content.decode(encoding)


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn")), min_size=1, max_size=20)
AMOUNTS = st.decimals(Decimal("0.01"), Decimal("99999.99"), places=2)


@pytest.mark.clause("B-35")
@settings(max_examples=60, deadline=None)
@every(st.lists(st.tuples(NAMES, AMOUNTS), min_size=1, max_size=8))
def test_whatever_the_names_both_files_say_the_same_and_add_up_to_the_cent(payees: list[tuple[str, Decimal]]) -> None:
    made = file(*(line(n, name, str(amount)) for n, (name, amount) in enumerate(payees)))
    rows = list(csv.reader(io.StringIO(as_csv(made).decode("gb18030"), newline="")))
    document = ET.fromstring(as_pain_001(made))
    names = [found.text for found in document.iterfind(".//p:Cdtr/p:Nm", {"p": NAMESPACE})]
    amounts = [Decimal(found.text or "") for found in document.iterfind(".//p:InstdAmt", {"p": NAMESPACE})]
    assert [row[1] for row in rows[1:]] == names == [name for name, _ in payees]
    assert [Decimal(row[4]) for row in rows[1:]] == amounts
    assert Decimal(rows[0][2]) == sum(amounts) == made.total


@pytest.mark.clause("B-19")
@pytest.mark.clause("B-35")
def test_the_message_is_valid_by_the_schema_of_iso_20022() -> None:
    made = file(line(1, RARE), line(2, "名" * 200, "0.01"))
    schema = xmlschema.XMLSchema(str(SCHEMA))
    schema.validate(as_pain_001(made).decode())
    document = ET.fromstring(as_pain_001(made))
    place = {"p": NAMESPACE}
    assert document.tag == f"{{{NAMESPACE}}}Document"
    assert [found.text for found in document.iterfind(".//p:EndToEndId", place)] == [of.order_id for of in made.lines]
    assert {found.text for found in document.iterfind(".//p:NbOfTxs", place)} == {"2"}
    assert {found.text for found in document.iterfind(".//p:CtrlSum", place)} == {"1800.01"}


def test_the_schema_would_find_a_message_that_is_wrong() -> None:
    schema = xmlschema.XMLSchema(str(SCHEMA))
    assert not schema.is_valid(as_pain_001(file(line())).decode().replace("EndToEndId", "EndId"))


def test_the_same_batch_gives_the_same_bytes_and_a_digest_that_the_bank_can_check() -> None:
    first, again = as_csv(file(line())), as_csv(file(line()))
    assert first == again
    digest = content_digest(first)
    assert b64decode(digest.removeprefix("sha-256=:").removesuffix(":")) == sha256(first).digest()


# -- the result file --------------------------------------------------------------------------------------------------

OTHER = order_id(new_id("clm", uuid7()), 1)
HEAD = f"{BATCH},2,3600.00"
PAID, BACK = f"{ORDER},1800.00,成功,2025-03-18,", f"{OTHER},1800.00,退票,2025-03-19,户名不符"


def text(*rows: str) -> bytes:
    return "\r\n".join((*rows, "")).encode("gb18030")


def read(content: bytes, charset: str | None = None) -> tuple[BankLine, ...] | Rejection:
    return read_result_file(content, charset, BATCH, TODAY)


def refused(content: bytes, charset: str | None = None) -> Rejection:
    found = read(content, charset)
    assert isinstance(found, Rejection)
    return found


@pytest.mark.clause("B-35")
@pytest.mark.parametrize(
    ("encoding", "charset"), [("gb18030", None), ("gb18030", "GB18030"), ("utf-8", None), ("utf-8-sig", "utf-8")]
)
def test_a_result_file_is_read_line_by_line_in_either_encoding(encoding: str, charset: str | None) -> None:
    content = text(HEAD, PAID, BACK).decode("gb18030").encode(encoding)
    assert read(content, charset) == (
        BankLine(1, ORDER, "paid", "other", date(2025, 3, 18), Decimal("1800.00")),
        BankLine(2, OTHER, "returned", "name_differs", date(2025, 3, 19), Decimal("1800.00")),
    )


@pytest.mark.clause("B-35")
@pytest.mark.parametrize("head", [f"{BATCH},3,3600.00", f"{BATCH},2,3600.01", f"{BATCH},2", BATCH, f"{BATCH},2,x"])
def test_a_file_whose_totals_are_not_those_of_its_lines_is_refused_as_a_whole(head: str) -> None:
    assert refused(text(head, PAID, BACK)).code == "file_totals"


@pytest.mark.clause("B-35")
@pytest.mark.parametrize("head", [HEAD.replace(BATCH, BATCH.replace("7a1e", "7a1f")), f",{HEAD}", ",,"])
def test_a_file_that_declares_another_batch_is_refused_as_a_whole(head: str) -> None:
    assert refused(text(head, PAID, BACK)).code == "another_batch"


@pytest.mark.parametrize(
    "row",
    [
        f"{ORDER},1800.00,成功",
        f"{ORDER},1800,000.00,成功,2025-03-18,,",
        f"{ORDER},1800.001,成功,2025-03-18,",
        f"{ORDER},-1800.00,成功,2025-03-18,",
        f"{ORDER},1800.00,失败,2025-03-18,",
        f"{ORDER},1800.00,成功,20250318x,",
        f"{ORDER},1800.00,成功,2025-03-21,",
        "张三 310101199001011234,1800.00,成功,2025-03-18,",
        f'"{ORDER},1800.00,成功,2025-03-18,',
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_refuses_the_file(row: str) -> None:
    rejection = refused(text(f"{BATCH},1,1800.00", row))
    assert rejection.code == "file_form"
    assert rejection.fields[0].pointer in ("/lines/1", "/lines/0")


def test_a_file_of_another_encoding_is_refused() -> None:
    assert refused(text(HEAD, PAID, BACK), "utf-8").code == "file_encoding"
    assert refused(b"\xff\xff\xff").code == "file_encoding"
    assert refused(text(HEAD, PAID, BACK), "latin-1").code == "file_encoding"

"""ISO 20022 pain.001.001.09, CustomerCreditTransferInitiation: the payment file as a message.

Version 09 is the one that the payment schemes have moved to (2019 maintenance release, in SEPA since November 2023
and in CBPR+); 03 is on its way out. Ids have at most 35 characters, so the message's is the batch's UUID without
hyphens, and an order's id is made to fit (`payment_order`).
"""

from datetime import date, datetime, time
from xml.etree import ElementTree as ET

from services.subsidy.bank_files.payment_file import CURRENCY, PayeeLine, PaymentFile
from shared.values.clocks import SHANGHAI
from shared.values.money import format_money

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
DEBTOR = "上海市就业促进中心"
NOT_PROVIDED = "NOTPROVIDED"
"""The treasury's own account is agreed with the bank by contract and known to it by the debtor: ISO's word for that."""
MOST_NAME = 140
"""Max140Text: what a name may have."""


def as_pain_001(file: PaymentFile) -> bytes:
    """The message, UTF-8. `NbOfTxs` and `CtrlSum` declare count and total; `EndToEndId` is the order's id."""
    document = ET.Element("Document", xmlns=NAMESPACE)
    message = _add(document, "CstmrCdtTrfInitn")
    identity = file.batch_id.partition("_")[2].replace("-", "")
    header = _add(message, "GrpHdr")
    _add(header, "MsgId", identity)
    _add(header, "CreDtTm", _at_midnight(file.released_on))
    _declared(header, file)
    _add(_add(header, "InitgPty"), "Nm", DEBTOR)
    payment = _add(message, "PmtInf")
    _add(payment, "PmtInfId", identity)
    _add(payment, "PmtMtd", "TRF")
    _declared(payment, file)
    _add(_add(_add(payment, "PmtTpInf"), "CtgyPurp"), "Cd", "GOVT")
    _add(_add(payment, "ReqdExctnDt"), "Dt", file.released_on.isoformat())
    _add(_add(payment, "Dbtr"), "Nm", DEBTOR)
    _other(_add(_add(payment, "DbtrAcct"), "Id"), NOT_PROVIDED)
    _other(_add(_add(payment, "DbtrAgt"), "FinInstnId"), NOT_PROVIDED)
    for line in file.lines:
        _transfer(payment, line)
    written: bytes = ET.tostring(document, encoding="UTF-8", xml_declaration=True)
    return written


def _transfer(payment: ET.Element, line: PayeeLine) -> None:
    transfer = _add(payment, "CdtTrfTxInf")
    _add(_add(transfer, "PmtId"), "EndToEndId", line.order_id)
    _add(_add(transfer, "Amt"), "InstdAmt", format_money(line.amount)).set("Ccy", CURRENCY)
    _add(_add(_add(transfer, "CdtrAgt"), "FinInstnId"), "Nm", line.bank[:MOST_NAME])
    _add(_add(transfer, "Cdtr"), "Nm", line.holder[:MOST_NAME])
    _other(_add(_add(transfer, "CdtrAcct"), "Id"), line.number)
    _add(_add(transfer, "RmtInf"), "Ustrd", line.purpose[:MOST_NAME])


def _declared(parent: ET.Element, file: PaymentFile) -> None:
    _add(parent, "NbOfTxs", str(len(file.lines)))
    _add(parent, "CtrlSum", format_money(file.total))


def _other(parent: ET.Element, text: str) -> None:
    _add(_add(parent, "Othr"), "Id", text)


def _add(parent: ET.Element, name: str, text: str | None = None) -> ET.Element:
    element = ET.SubElement(parent, name)
    element.text = text
    return element


def _at_midnight(day: date) -> str:
    return datetime.combine(day, time(), SHANGHAI).isoformat()

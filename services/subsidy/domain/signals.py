"""Signals: what stands out about a claim beside its rules. Each is explained, none decides anything.

They are for the people who review and approve: a signal changes no claim, holds none, and says nothing about guilt.
(个人信息保护法 art. 24; the patterns are those that auditors have found)
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from services.subsidy.domain.facts import Facts

SignalKind = Literal["account_shared", "institution_burst", "organisation_new", "account_changed"]

BURST_DAYS = 7
USUAL_DAYS = 180
BURST_LEAST = 10
BURST_TIMES = 3
"""A burst: at least so many claims in seven days, and so many times the institution's usual number."""
NEW_DAYS = 30
NAMED = 50
"""How many other claims a signal names."""


class Signal(msgspec.Struct, frozen=True):
    """What stands out, in a sentence (zh-CN), with its figures and the other claims concerned, by id."""

    kind: SignalKind
    sentence: str
    figures: dict[str, int | str]
    claims: tuple[str, ...] = ()


def account_shared(persons: int, claims: Sequence[str]) -> Signal | None:
    """The account stands in claims of other people as well: `persons` of them, in `claims`."""
    if not persons:
        return None
    sentence = f"同一收款账户还出现在另外 {persons} 人的 {len(claims)} 件申请中，请核对账户归属。"
    return Signal("account_shared", sentence, {"persons": persons, "claims": len(claims)}, tuple(claims[:NAMED]))


def institution_burst(recent: int, before: int, claims: Sequence[str]) -> Signal | None:
    """`recent`: the institution's claims of the seven days up to this one, itself included; `before`: of the 180 days
    before those. Its usual number is the average of as many days.
    """
    usual = before * BURST_DAYS / USUAL_DAYS
    if recent < BURST_LEAST or recent < BURST_TIMES * usual:
        return None
    sentence = (
        f"该培训机构学员 {BURST_DAYS} 日内提交申请 {recent} 件，"
        f"此前 {USUAL_DAYS} 日内平均每 {BURST_DAYS} 日 {usual:.1f} 件，请留意是否集中代办。"
    )
    figures: dict[str, int | str] = {"recent": recent, "days": BURST_DAYS, "usual": f"{usual:.1f}"}
    return Signal("institution_burst", sentence, figures, tuple(claims[:NAMED]))


def organisation_new(facts: Facts | None) -> Signal | None:
    """The organisation was registered within thirty days before the certificate was issued."""
    if facts is None or facts.organisation_registered_on is None or facts.certificate_issued_on is None:
        return None
    days = (facts.certificate_issued_on - facts.organisation_registered_on).days
    if not 0 <= days <= NEW_DAYS:
        return None
    sentence = (
        f"创业组织于 {facts.organisation_registered_on} 登记，距证书颁发（{facts.certificate_issued_on}）仅 {days} 日，"
        "请核实是否实际经营。"
    )
    return Signal("organisation_new", sentence, {"days": days})


def account_changed(accounts: int) -> Signal | None:
    """The claimant has given another account since the claim was submitted."""
    if accounts <= 1:
        return None
    sentence = f"提交后收款账户更改过 {accounts - 1} 次，请核对现用账户。"
    return Signal("account_changed", sentence, {"changes": accounts - 1})

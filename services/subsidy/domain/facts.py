"""Facts: what a claim is judged by, frozen with the claim so that the judgement can be repeated years later.

A policy names facts by the names in `FACTS`; it can ask about nothing else.
"""

from datetime import date
from typing import Literal, NamedTuple

import msgspec

FactValue = str | int | bool | None
"""What a judgement shows of a fact; days as `2025-03-03`."""

FactKind = Literal["date", "text", "flag", "count"]
Source = Literal["certificate", "organisation", "person", "claim"]


class RoleHeld(msgspec.Struct, frozen=True):
    """A role of the claimant in the organisation, Asia/Shanghai days, both ends inclusive."""

    role: str
    since: date
    until: date | None = None
    evidence: str | None = None


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a claim on the day it is judged. None: not known, or not part of this kind of claim.

    `evidence` is what the claimant stated, `attested` what a reviewer confirmed of it. `sources` says which event
    each group of facts was last told by, as `stream@version`; the claim's own facts need none.
    """

    submitted_on: date
    certificate_kind: str | None = None
    certificate_stage: str | None = None
    certificate_issued_on: date | None = None
    certificate_revoked_on: date | None = None
    certificate_is_claimants: bool | None = None
    organisation_area: str | None = None
    organisation_registered_on: date | None = None
    roles: tuple[RoleHeld, ...] = ()
    places_held: int = 0
    project_held_by: str | None = None
    payee_matches: bool | None = None
    categories: tuple[str, ...] = ()
    evidence: dict[str, str | int | bool] = {}
    attested: dict[str, bool] = {}
    sources: dict[str, str] = {}


class Fact(NamedTuple):
    """A fact that rules may ask about: its type, who told it, and its Chinese name."""

    kind: FactKind
    source: Source
    zh: str


FACTS: dict[str, Fact] = {
    "submitted_on": Fact("date", "claim", "申请日期"),
    "certificate_kind": Fact("text", "certificate", "证书种类"),
    "certificate_stage": Fact("text", "certificate", "培训阶段"),
    "certificate_issued_on": Fact("date", "certificate", "证书颁发日期"),
    "certificate_revoked_on": Fact("date", "certificate", "证书撤销日期"),
    "certificate_is_claimants": Fact("flag", "certificate", "证书为本人所有"),
    "organisation_area": Fact("text", "organisation", "组织登记地"),
    "organisation_registered_on": Fact("date", "organisation", "组织登记日期"),
}
"""The facts that a rule may name. What the claimant states is named `evidence.<name>`."""

LOOKED_AT: dict[str, Fact] = {
    "roles": Fact("text", "organisation", "在创业组织中的角色"),
    "categories": Fact("text", "person", "身份类别"),
    "places_held": Fact("count", "claim", "此前已享受和在办的次数"),
    "project_held_by": Fact("text", "claim", "同一项目的其他申请"),
    "payee_matches": Fact("flag", "person", "收款账户为本人账户"),
}
"""The facts that words of the vocabulary look at by themselves; no rule names them."""

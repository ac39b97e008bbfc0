"""Policy version: a file of parameters, rules, amount, workflow and worked examples, each rule citing its clause.

The vocabulary is closed and typed: what is not in it does not load, and `problems` names what does not fit together.
(沪人社规〔2023〕7号 文末, 二(二); the readings are those of POLICY.md section 1)
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from services.subsidy.domain.facts import FACTS, FactKind, Facts
from shared.eventstore.decider import FieldError
from shared.values.districts import District
from shared.values.money import parse_money
from shared.values.rejected import Invalid

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Slug = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Role = Literal["legal_representative", "responsible_person", "partner"]
Term = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]

MOST_PLACES = 5
"""How many subsidies of one person any version may allow: as many places are looked at for each claim."""
CITY = "city"
PAYEE = "payee"
"""What the rule about the account is called in every version: registry's answer is told under that name."""


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op"):
    """A word of the vocabulary; `op` in the file says which."""


# -- what a rule may ask. An operand that is a text names a parameter of the version. --------------------------------


class Is(Word, frozen=True, tag="is"):
    """The fact has this value."""

    fact: str
    value: bool | int | str


class OneOf(Word, frozen=True, tag="one_of"):
    fact: str
    values: tuple[str, ...]


class Absent(Word, frozen=True, tag="absent"):
    """There is no such fact: a certificate's revocation, for example."""

    fact: str


class Within(Word, frozen=True, tag="within"):
    """`day` lies in the period that begins on `since` and lasts `count` units; both its first and last day count."""

    day: str
    since: str
    count: int | Name
    unit: Literal["days", "months", "years"]


class AtMost(Word, frozen=True, tag="at_most"):
    fact: str
    bound: int | Name


class AtLeast(Word, frozen=True, tag="at_least"):
    fact: str
    bound: int | Name


class InCity(Word, frozen=True, tag="in_city"):
    """The area code belongs to one of the sixteen districts, or to one that has become part of one."""

    area: str


class HoldsRole(Word, frozen=True, tag="holds_role"):
    """The claimant holds one of the roles on that day; of those in `evidenced`, evidence must be on record."""

    roles: tuple[Role, ...] | Name
    on: str
    evidenced: tuple[Role, ...] = ()


class HasCategory(Word, frozen=True, tag="has_category"):
    """The person is registered in one of the identity categories.   (A-01, B-05)"""

    categories: tuple[str, ...] | Name


class Attested(Word, frozen=True, tag="attested"):
    """A reviewer has confirmed this piece of evidence; undecided until he has."""

    evidence: Name


class EntitlementFree(Word, frozen=True, tag="entitlement_free"):
    """No other claim of this person stands for the same entitlement.   (B-13)"""


class PlaceFree(Word, frozen=True, tag="place_free"):
    """Fewer than `places` subsidies of this programme are paid to this person or pending.   (B-14)"""


class PayeeIsClaimant(Word, frozen=True, tag="payee_is_claimant"):
    """Registry has confirmed that the account is in the claimant's own name.   (B-19)"""


class AllOf(Word, frozen=True, tag="all"):
    checks: tuple["Check", ...]


class AnyOf(Word, frozen=True, tag="any"):
    checks: tuple["Check", ...]


Check = (
    Is | OneOf | Absent | Within | AtMost | AtLeast | InCity | HoldsRole | HasCategory | Attested
    | EntitlementFree | PlaceFree | PayeeIsClaimant | AllOf | AnyOf
)  # fmt: skip


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule, the clause that it carries out, and its wording for the claimant."""

    name: Name
    clause: Term
    text: Term
    check: Check


# -- how much ---------------------------------------------------------------------------------------------------------


class Fixed(Word, frozen=True, tag="fixed"):
    """The same for everybody: the parameter `amount`, CNY.   (B-11)"""


class PerUnit(Word, frozen=True, tag="per_unit"):
    """The parameter `amount`, CNY, for each unit that the evidence counts, `at_most` so many."""

    evidence: Name
    at_most: int | Name


Amount = Fixed | PerUnit


# -- the parts of a version -------------------------------------------------------------------------------------------


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the text leaves open, as data. `amount` in CNY, None while the operator has not set it.

    Days are Asia/Shanghai working days. `recovered_frees`: whether a recovered subsidy gives its place back.
    """

    amount: Decimal | None
    places: int
    window_months: int
    organisation_years: int
    roles: tuple[str, ...]
    notice_working_days: int
    correction_working_days: int
    objection_working_days: int
    categories: tuple[str, ...] = ()
    most_units: int = 1
    review_working_days: int = 20
    approval_working_days: int = 10
    payment_working_days: int = 15
    names_masked: bool = False
    recovered_frees: bool = False


DAYS = range(1, 61)
RANGES = {
    "places": range(1, MOST_PLACES + 1),
    "window_months": range(1, 121),
    "organisation_years": range(51),
    "most_units": range(1, 1001),
    "notice_working_days": DAYS,
    "correction_working_days": DAYS,
    "objection_working_days": DAYS,
    "review_working_days": DAYS,
    "approval_working_days": DAYS,
    "payment_working_days": DAYS,
}
"""What a parameter may be. Checked when a version is drafted, never when an event is read."""


class EvidenceAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the claimant states beside the registered facts: typed, so that no free text comes in.

    `choices`: what a choice may be; of a date, too, where only certain days are meant.
    """

    name: Name
    kind: Literal["flag", "count", "date", "choice"]
    text: Term
    choices: tuple[Term, ...] = ()


Step = Literal["review", "approval", "public_notice", "payment"]
WITH_NOTICE: tuple[Step, ...] = ("review", "approval", "public_notice", "payment")
WITHOUT_NOTICE: tuple[Step, ...] = ("review", "approval", "payment")
"""The ways a claim may go. No version leaves out the second person."""


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A worked example: under these facts the rules named in `expect` come out so. Run whenever the file is drafted."""

    name: Term
    facts: Facts
    expect: dict[str, bool | None]
    amount: Decimal | None = None


class PolicyVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version of a programme, for facts that fall into `effective_from … effective_until`, both inclusive.

    `requires`: what a claim is made with. `once_per`: what an entitlement is counted by, beside the person: the
    training project, or evidence. `provisional`: claims are screened and then wait for a confirmed version, which
    `supersedes` this one. `owner`: the city, or the district whose programme it is.   (A-17)
    """

    programme: Slug
    version: Slug
    title: Term
    source: Term
    effective_from: date
    effective_until: date
    parameters: Parameters
    rules: tuple[Rule, ...]
    amount: Amount = Fixed()
    requires: tuple[Literal["certificate", "organisation"], ...] = ("certificate", "organisation")
    once_per: tuple[str, ...] = ("project",)
    evidence: tuple[EvidenceAsked, ...] = ()
    workflow: tuple[Step, ...] = WITH_NOTICE
    provisional: bool = False
    supersedes: tuple[str, ...] = ()
    owner: str = CITY
    examples: tuple[Example, ...] = ()

    def in_force_on(self, day: date) -> bool:
        return self.effective_from <= day <= self.effective_until

    def uses(self, word: type[Word]) -> str | None:
        """The name of the rule that is this word, if the version has one."""
        return next((rule.name for rule in self.rules if isinstance(rule.check, word)), None)


# -- what does not fit together ---------------------------------------------------------------------------------------


def _misfit(code: str, detail: str, pointer: str) -> FieldError:
    return FieldError(pointer, code, detail)


def misfits(policy: PolicyVersion) -> Iterator[FieldError]:
    """Everything that keeps a version from being drafted, examples excepted."""
    yield from _labels(policy)
    yield from _parameters(policy)
    yield from _evidence(policy)
    yield from _rules(policy)
    if policy.workflow not in (WITH_NOTICE, WITHOUT_NOTICE):
        yield _misfit("policy_workflow", "办理环节须为审核、批准、公示（可省略）、发放，依此顺序", "/workflow")
    known = {"project"} if "certificate" in policy.requires else set()
    for number, item in enumerate(policy.once_per):
        if item not in known | {piece.name for piece in policy.evidence}:
            yield _misfit("policy_fact", f"享受次数不能按 {item} 计算：没有这项内容", f"/once_per/{number}")
    if isinstance(policy.amount, PerUnit):
        yield from _typed(policy, f"evidence.{policy.amount.evidence}", ("count",), "/amount/evidence")
        yield from _operand(policy, policy.amount.at_most, "/amount/at_most")


def _labels(policy: PolicyVersion) -> Iterator[FieldError]:
    if policy.owner != CITY and policy.owner not in {district.value for district in District}:
        yield _misfit("policy_owner", "owner 须为 city 或区代码", "/owner")
    if policy.effective_until < policy.effective_from:
        yield _misfit("policy_period", "失效日期不能早于生效日期", "/effective_until")


def _parameters(policy: PolicyVersion) -> Iterator[FieldError]:
    for name, allowed in RANGES.items():
        if getattr(policy.parameters, name) not in allowed:
            detail = f"参数 {name} 须在 {allowed[0]} 至 {allowed[-1]} 之间"
            yield _misfit("policy_parameter", detail, f"/parameters/{name}")
    amount = policy.parameters.amount
    if amount is not None and (isinstance(parse_money(str(amount)), Invalid) or amount <= 0):
        yield _misfit("policy_amount", "补贴金额须为大于零、至多两位小数的金额", "/parameters/amount")


def _evidence(policy: PolicyVersion) -> Iterator[FieldError]:
    names = [piece.name for piece in policy.evidence]
    for number, piece in enumerate(policy.evidence):
        if names.index(piece.name) != number:
            yield _misfit("policy_twice", f"申报内容 {piece.name} 重复", f"/evidence/{number}/name")
        if (piece.kind == "choice" and not piece.choices) or (piece.kind in ("flag", "count") and piece.choices):
            yield _misfit("policy_choices", "choice 须列出 choices，flag 和 count 不列", f"/evidence/{number}/choices")


def _rules(policy: PolicyVersion) -> Iterator[FieldError]:
    names = [rule.name for rule in policy.rules]
    for number, rule in enumerate(policy.rules):
        if names.index(rule.name) != number:
            yield _misfit("policy_twice", f"规则 {rule.name} 重复", f"/rules/{number}/name")
        yield from _check(policy, rule.check, f"/rules/{number}/check")
    for word in (EntitlementFree, PlaceFree, PayeeIsClaimant):
        tag = word.__struct_config__.tag
        if sum(isinstance(rule.check, word) for rule in policy.rules) != 1:
            yield _misfit("policy_rule_missing", f"每个版本须有且只有一条 {tag} 规则", "/rules")
    if policy.uses(PayeeIsClaimant) not in (None, PAYEE):
        yield _misfit("policy_rule_name", f"核实收款账户的规则须命名为 {PAYEE}", "/rules")


def _check(policy: PolicyVersion, check: Check, at: str) -> Iterator[FieldError]:
    match check:
        case AllOf(checks) | AnyOf(checks):
            if not checks:
                yield _misfit("policy_rule_empty", "组合规则不能为空", f"{at}/checks")
            for number, part in enumerate(checks):
                if isinstance(part, EntitlementFree | PlaceFree | PayeeIsClaimant):
                    yield _misfit("policy_rule_alone", "这条规则须单独成条", f"{at}/checks/{number}")
                yield from _check(policy, part, f"{at}/checks/{number}")
        case Is(fact, value):
            kinds: tuple[FactKind, ...] = ("flag",) if isinstance(value, bool) else ("text", "count")
            yield from _typed(policy, fact, kinds, f"{at}/fact")
        case OneOf(fact, _):
            yield from _typed(policy, fact, ("text",), f"{at}/fact")
        case Absent(fact):
            yield from _typed(policy, fact, ("date", "text", "flag", "count"), f"{at}/fact")
        case Within(day, since, count, _):
            yield from _typed(policy, day, ("date",), f"{at}/day")
            yield from _typed(policy, since, ("date",), f"{at}/since")
            yield from _operand(policy, count, f"{at}/count")
        case AtMost(fact, bound) | AtLeast(fact, bound):
            yield from _typed(policy, fact, ("count",), f"{at}/fact")
            yield from _operand(policy, bound, f"{at}/bound")
        case InCity(area):
            yield from _typed(policy, area, ("text",), f"{at}/area")
        case HoldsRole(roles, on, _):
            if "organisation" not in policy.requires:
                yield _misfit("policy_fact", "按角色判断的规则，申请须指明创业组织", at)
            yield from _typed(policy, on, ("date",), f"{at}/on")
            yield from _listed(policy, roles, f"{at}/roles")
        case HasCategory(categories):
            yield from _listed(policy, categories, f"{at}/categories")
        case Attested(evidence):
            yield from _typed(policy, f"evidence.{evidence}", ("flag", "count", "date", "text"), f"{at}/evidence")
        case EntitlementFree() | PlaceFree() | PayeeIsClaimant():
            return


_EVIDENCE_KINDS: dict[str, FactKind] = {"flag": "flag", "count": "count", "date": "date", "choice": "text"}


def kind_of(policy: PolicyVersion, fact: str) -> FactKind | None:
    """The type of a fact in claims of this version; None where its claims have no such fact."""
    if fact.startswith("evidence."):
        pieces = (piece for piece in policy.evidence if piece.name == fact.removeprefix("evidence."))
        return next((_EVIDENCE_KINDS[piece.kind] for piece in pieces), None)
    known = FACTS.get(fact)
    return known.kind if known is not None and known.source in (*policy.requires, "claim", "person") else None


def _typed(policy: PolicyVersion, fact: str, kinds: tuple[FactKind, ...], at: str) -> Iterator[FieldError]:
    kind = kind_of(policy, fact)
    if kind is None:
        yield _misfit("policy_fact", f"这个版本的申请没有 {fact} 这项事实", at)
    elif kind not in kinds:
        yield _misfit("policy_type", f"{fact} 的类型是 {kind}，这里需要 {'、'.join(kinds)}", at)


def _operand(policy: PolicyVersion, operand: int | str, at: str) -> Iterator[FieldError]:
    value = parameter(policy, operand) if isinstance(operand, str) else operand
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        yield _misfit("policy_operand", f"{operand} 不是数值参数", at)


def _listed(policy: PolicyVersion, operand: tuple[str, ...] | str, at: str) -> Iterator[FieldError]:
    value = parameter(policy, operand) if isinstance(operand, str) else operand
    if not isinstance(value, tuple) or not value:
        yield _misfit("policy_operand", f"{operand} 不是名单参数", at)


def parameter(policy: PolicyVersion, name: str) -> object:
    """The value of a named parameter; None where the vocabulary has none of that name."""
    return getattr(policy.parameters, name, None) if name in Parameters.__struct_fields__ else None

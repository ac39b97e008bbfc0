"""A small world of claims: one person's claims carried through `decide`, with limits kept in plain dicts.

What the store does in SQL is done here in twenty lines: a command whose limits do not hold writes nothing.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple, get_args

from hypothesis import strategies as st

from services.subsidy.domain.claim import (
    BUDGET,
    CERTIFICATE,
    CLAIM,
    ENTITLEMENT,
    PERSON_PLACES,
    Claim,
    entitlement_key,
)
from services.subsidy.domain.claim_decisions import (
    ClaimCommand,
    CorrectClaim,
    EndNotice,
    HoldClaim,
    LiftHold,
    NoticeClaim,
    RecordPayeeCheck,
    RejectClaim,
    RequestCorrection,
    ReviewClaim,
    SubmitClaim,
    WithdrawClaim,
    decide,
)
from services.subsidy.domain.claim_events import HoldReason
from services.subsidy.domain.claim_payment import (
    AttestOutcome,
    CarryCommitment,
    EndRecovery,
    FreeForBudget,
    OrderPayment,
    RecoverClaim,
    ReservePayment,
    SettlePayment,
)
from services.subsidy.domain.payment_order import Outcome
from shared.eventstore.decider import (
    Decision,
    Event,
    LimitChange,
    Rejection,
    Release,
    ReleasePlace,
    SetBound,
    Take,
    TakePlace,
    Use,
)
from shared.values.ids import ClaimId, NoticeId, PaymentBatchId, ProjectId, RecoveryId
from tests.unit.subsidy.samples import LINE, PERSON, POLICY, TODAY, approval, facts, payee, policy, submission

NEWER = policy("newer", amount=Decimal("2000.00"))
VERSIONS = (POLICY, NEWER, None)
BUDGET_BOUND = Decimal("6000.00")
NEXT_LINE, NEXT_BOUND = "training-fee-subsidy/2026", Decimal("3800.00")
STAFF = ("usr_1", "usr_2")


class Refused(Exception):
    """A limit did not hold."""


class Limits:
    """The unique and bounded limits, as the store keeps them in its tables."""

    def __init__(self) -> None:
        self.unique: dict[tuple[str, str], str] = {}
        self.used: dict[tuple[str, str], Decimal] = {}
        self.bound: dict[tuple[str, str], Decimal] = {(BUDGET, LINE): BUDGET_BOUND, (BUDGET, NEXT_LINE): NEXT_BOUND}

    def after(self, changes: Iterable[LimitChange], holder: str) -> "Limits":
        """New limits with these changes. Raises `Refused` and changes nothing."""
        new = Limits()
        new.unique, new.used, new.bound = dict(self.unique), dict(self.used), dict(self.bound)
        for change in changes:
            new._change(change, holder)
        return new

    def _change(self, change: LimitChange, holder: str) -> None:
        match change:
            case Take(scope, key):
                if self.unique.setdefault((scope, key), holder) != holder:
                    raise Refused
            case Release(scope, key):
                assert self.unique.pop((scope, key)) == holder, "released what it did not hold"
            case TakePlace(scope, key, places):
                free = [n for n in range(1, places + 1) if (scope, f"{key}/{n}") not in self.unique]
                if not free:
                    raise Refused
                self.unique[scope, f"{key}/{free[0]}"] = holder
            case ReleasePlace(scope, key, places):
                held = [n for n in range(1, places + 1) if self.unique.get((scope, f"{key}/{n}")) == holder]
                assert len(held) == 1, "a claim gives back exactly its one place"
                del self.unique[scope, f"{key}/{held[0]}"]
            case SetBound(scope, key, bound):
                self.bound[scope, key] = bound
            case Use(scope, key, amount):
                used = self.used.get((scope, key), Decimal(0)) + amount
                assert used >= 0, "gave back more than was used"
                if amount > 0 and used > self.bound[scope, key]:
                    raise Refused
                self.used[scope, key] = used

    def of(self, holder: str) -> set[tuple[str, str]]:
        return {name for name, held_by in self.unique.items() if held_by == holder}


class Step(NamedTuple):
    """One command to one claim; `pick` chooses among what the command can carry."""

    claim: int
    command: str
    pick: int


class World:
    """Streams of claims of one person, each with its own certificate; claims `n` and `n + 4` share a project."""

    def __init__(self) -> None:
        self.streams: dict[ClaimId, list[Event]] = {}
        self.limits = Limits()

    def claim(self, id: ClaimId) -> Claim:
        return CLAIM.fold(self.streams.get(id, ()))

    def take(self, step: Step) -> Decision | None:
        """Carry out a step as the store would; None when a limit refused it."""
        id = ClaimId(f"clm_{step.claim}")
        claim = self.claim(id)
        decision = decide(self._command(step, id, claim), claim)
        if isinstance(decision, Rejection):
            return decision
        changes: list[LimitChange] = []
        state = claim
        for event in decision:
            changes += CLAIM.limits(state, event)
            state = CLAIM.evolve(state, event)
        try:
            self.limits = self.limits.after(changes, id)
        except Refused:
            return None
        self.streams.setdefault(id, []).extend(decision)
        return decision

    def _command(self, step: Step, id: ClaimId, claim: Claim) -> ClaimCommand:
        pick, today = step.pick, TODAY + timedelta(days=step.pick)
        staff = STAFF[pick % 2]
        if claim.submission is None:
            return self._submission(step, id, today)
        match step.command:
            case "check" | "recheck":
                return RecordPayeeCheck(pick % 4 != 0, claim.payee_accounts)
            case "ask":
                return RequestCorrection(staff, ("收款账户",), today, 5)
            case "correct":
                return CorrectClaim(payee(bytes([pick])), today)
            case "review":
                return ReviewClaim(staff, "", today)
            case "approve":
                left = BUDGET_BOUND - self.limits.used.get((BUDGET, LINE), Decimal(0))
                now = facts(organisation_area="320500") if pick == 3 else facts()
                return approval(approver=staff, policy=VERSIONS[pick % 3], facts=now, budget_left=left, today=today)
            case "reject":
                return RejectClaim(staff, ("不符合",), today)
            case "withdraw":
                return WithdrawClaim(today)
            case "hold":
                return HoldClaim(get_args(HoldReason)[pick % 7], today, "某人")
            case "lift":
                return LiftHold(claim.holds[pick % len(claim.holds)].reason if claim.holds else "death")
            case "notice":
                return NoticeClaim(NoticeId(f"ntc_{pick % 2}"), date(2025, 3, 10))
            case "end":
                return EndNotice(NoticeId(f"ntc_{pick % 2}"))
            case "reserve":
                return ReservePayment(PaymentBatchId(f"pay_{len(claim.orders)}{pick % 3}"))
            case "order":
                return OrderPayment(claim.batch_id or PaymentBatchId("pay_0"), date(2025, 3, 10))
            case "carry":
                left = NEXT_BOUND - self.limits.used.get((BUDGET, NEXT_LINE), Decimal(0))
                return CarryCommitment(LINE, NEXT_LINE, today, fits=left >= (claim.amount or Decimal(0)))
            case "free":
                return FreeForBudget(fits=pick % 2 == 0)
            case "recover":
                return RecoverClaim(RecoveryId(f"rec_{step.claim}"), today)
            case "end recovery":
                return EndRecovery(RecoveryId(f"rec_{step.claim}"), pick % 4 != 1, pick % 4 == 0, today)
            case "attest":
                evidence: Literal["statement", "document"] = "document" if pick % 2 else "statement"
                outcome: Literal["paid", "returned"] = "returned" if pick // 2 % 2 else "paid"
                told = "对账单-1"
                return AttestOutcome(
                    self._batch(claim, pick), outcome, "other", TODAY, evidence, told, STAFF[pick // 4 % 2]
                )
            case _:
                outcomes: tuple[Outcome, ...] = ("paid", "returned", "unknown")
                return SettlePayment(self._batch(claim, pick), outcomes[pick % 3], "户名不符", today)

    def _batch(self, claim: Claim, pick: int) -> PaymentBatchId:
        """The batch that the claim is in, mostly; now and then one that it was in before, or never."""
        known = [order.batch_id for order in claim.orders]
        others = [*known, PaymentBatchId("pay_0")]
        return others[pick % len(others)] if pick >= 9 else claim.batch_id or others[-1]

    def _submission(self, step: Step, id: ClaimId, today: date) -> SubmitClaim:
        number = f"SH2025-D1-{step.claim:06}"
        event = submission(
            claim_id=id,
            certificate_no=number,
            project_id=ProjectId(f"prj_{step.claim % 4}"),
            entitlement=f"training-fee-subsidy/prj_{step.claim % 4}",
            submitted_on=today,
            payee=payee(person=PERSON),
        )
        places = sum(scope == PERSON_PLACES for scope, _ in self.limits.unique)
        return SubmitClaim(
            event,
            VERSIONS[step.pick % 3],
            facts(submitted_on=today, places_held=places),
            self.limits.unique.get((CERTIFICATE, number)),
            self.limits.unique.get((ENTITLEMENT, entitlement_key(event.person_id, event.entitlement))),
        )


COMMANDS = (
    "check", "ask", "correct", "review", "approve", "reject", "withdraw", "hold", "lift", "notice", "end", "reserve",
    "order", "settle", "attest", "carry", "free", "recover", "end recovery",
)  # fmt: skip
FORWARD = (
    "check", "review", "approve", "notice", "end", "reserve", "order", "settle",
    "correct", "recheck", "reserve", "order", "settle", "recover", "end recovery",
)  # fmt: skip

_step = st.builds(Step, st.integers(0, 5), st.sampled_from(COMMANDS), st.integers(0, 11))


def _carried_forward(claim: int, upto: int, picks: tuple[int, ...]) -> list[Step]:
    """A claim on its ordinary way, so that late states are reached often; the odd picks are the second person's."""
    ordinary = {"review": 0, "approve": 1, "notice": 0, "end": 0, "reserve": 0, "check": 1, "order": 0}
    steps = [Step(claim, "submit", picks[0])]
    return steps + [Step(claim, name, ordinary.get(name, picks[1])) for name in FORWARD[:upto]]


_way = st.builds(_carried_forward, st.integers(0, 5), st.integers(0, len(FORWARD)),
                 st.tuples(st.sampled_from([0, 0, 1, 2]), st.integers(0, 2)))  # fmt: skip

LIVES: st.SearchStrategy[list[Step]] = st.lists(st.one_of(_way, st.lists(_step, max_size=6)), max_size=12).map(
    lambda parts: [step for part in parts for step in part]
)
"""What may happen to six claims of one person, in any order."""

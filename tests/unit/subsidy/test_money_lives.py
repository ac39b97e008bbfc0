"""Batches, results, returns, evidence, recoveries and carry-over in any order: money adds up after each step.

Invariants 1, 2 and 7 of the design: nothing is paid twice, budget >= commitments >= payments to the cent, and whatever
is not at its end says whom it waits for; and the reconciliation of both lines finds nothing that does not agree.
"""

from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any, get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.subsidy.api.claim_view import shown
from services.subsidy.domain.bank_results import BankLine, doubled, judge
from services.subsidy.domain.claim import BUDGET, CLAIM, Claim
from services.subsidy.domain.claim_decisions import ClaimCommand, CorrectClaim, RecordPayeeCheck
from services.subsidy.domain.claim_decisions import decide as decide_claim
from services.subsidy.domain.claim_events import ClaimPaid, HoldReason, PaymentOrdered, PaymentReturned
from services.subsidy.domain.claim_payment import (
    AttestOutcome,
    CarryCommitment,
    EndRecovery,
    OrderPayment,
    RecoverClaim,
    ReservePayment,
)
from services.subsidy.domain.payment_batch import (
    PAYMENT_BATCH,
    Batch,
    ImportResults,
    Item,
    MakeBatch,
    OrderSent,
    ReleaseBatch,
    decide,
)
from services.subsidy.domain.payment_order import Outcome, order_id
from services.subsidy.domain.reconciliation import Accounts, differences, totals
from services.subsidy.domain.recovery import (
    RECOVERY,
    ConfirmRecovery,
    ProposeRecovery,
    ReceiveInstalment,
    Recovery,
    RecoveryProposed,
    WriteOffRecovery,
    recovery_of,
)
from services.subsidy.domain.recovery import decide as decide_recovery
from shared.eventstore.decider import Event, Rejection
from shared.values.ids import ClaimId, PaymentBatchId, RecoveryId
from tests.unit.subsidy.samples import AMOUNT, LINE, PASTS, PERSON, TODAY, payee
from tests.unit.subsidy.world import BUDGET_BOUND, NEXT_BOUND, NEXT_LINE, Limits, Refused

CLAIMS = [ClaimId(f"clm_{n:08x}-0000-7000-8000-000000000000") for n in range(1, 4)]
REFUSABLE = {
    "recorded", "already_recorded", "twice", "contradicts_itself", "not_ours", "not_in_batch", "amount_differs",
    "wrong_state", "recovery_open",
}  # fmt: skip
picks = st.integers(0, 10_000)
outcomes = st.sampled_from(get_args(Outcome))


class MoneyLives(RuleBasedStateMachine):
    """The store in plain dicts: a command whose limits do not hold writes nothing."""

    @initialize()
    def begin(self) -> None:
        self.limits = Limits()
        self.claims: dict[ClaimId, list[Event]] = {}
        self.batches: dict[PaymentBatchId, list[Event]] = {}
        self.recoveries: dict[RecoveryId, list[Event]] = {}
        for id in CLAIMS:
            self.write(id, list(PASTS["payable"][3:]), [*PASTS["payable"][:3]])

    def write(self, id: ClaimId, events: Sequence[Event], before: Sequence[Event] = ()) -> None:
        """`before`: events whose limits are not looked at: whose certificate it is matters elsewhere."""
        past = self.claims.setdefault(id, [*before])
        state = CLAIM.fold(past)
        changes: list[Any] = []
        for event in events:
            changes += [change for change in CLAIM.limits(state, event) if change.scope == BUDGET]
            state = CLAIM.evolve(state, event)
        self.limits = self.limits.after(changes, id)
        past += events

    def claim(self, id: ClaimId) -> Claim:
        return CLAIM.fold(self.claims[id])

    def batch(self, id: PaymentBatchId) -> Batch:
        return PAYMENT_BATCH.fold(self.batches[id])

    def recovery(self, id: RecoveryId) -> Recovery:
        return RECOVERY.fold(self.recoveries.get(id, ()))

    def tell(self, id: ClaimId, command: ClaimCommand) -> bool:
        decision = decide_claim(command, self.claim(id))
        if isinstance(decision, Rejection):
            return False
        try:
            self.write(id, decision)
        except Refused:
            return False
        return True

    # -- batches ----------------------------------------------------------------------------------------------------

    @rule(chosen=st.sets(st.sampled_from(CLAIMS), min_size=1))
    def make(self, chosen: set[ClaimId]) -> None:
        id = PaymentBatchId(f"pay_{len(self.batches)}")
        ready = [claim for claim in sorted(chosen) if self.tell(claim, ReservePayment(id))]
        if ready:
            made = decide(MakeBatch(id, tuple(Item(claim, AMOUNT) for claim in ready), "usr_maker"), Batch())
            assert not isinstance(made, Rejection)
            self.batches[id] = [*made]

    @rule(pick=picks, blocked=st.sampled_from(CLAIMS))
    def release(self, pick: int, blocked: ClaimId) -> None:
        if not self.batches:
            return
        id = sorted(self.batches)[pick % len(self.batches)]
        batch = self.batch(id)
        if batch.released_by is not None:
            assert isinstance(decide(ReleaseBatch("usr_2", TODAY, ()), batch), Rejection)
            return
        sent, dropped = [], []
        for item in batch.items:
            why: tuple[HoldReason, ...] = ("death",) if pick % 5 == 0 and item.claim_id == blocked else ()
            assert self.tell(item.claim_id, OrderPayment(id, TODAY, why))
            last = self.claims[item.claim_id][-1]
            if isinstance(last, PaymentOrdered):
                sent.append(OrderSent(order_id(item.claim_id, last.attempt), item.claim_id, last.amount))
            else:
                dropped.append(item.claim_id)
        released = decide(ReleaseBatch("usr_2", TODAY, tuple(dropped), tuple(sent)), batch)
        assert not isinstance(released, Rejection)
        self.batches[id] += released

    # -- what the bank tells: twice, out of order, of other batches, of nobody ---------------------------------------

    @rule(pick=picks, lines=st.lists(st.tuples(st.sampled_from(CLAIMS), st.integers(1, 3), outcomes), max_size=5),
          stranger=st.booleans(), dear=st.booleans(), again=st.booleans())  # fmt: skip
    def results(
        self, pick: int, lines: list[tuple[ClaimId, int, Outcome]], stranger: bool, dear: bool, again: bool
    ) -> None:
        released = [id for id in sorted(self.batches) if self.batch(id).released_by is not None]
        if not released:
            return
        id = released[pick % len(released)]
        amount = AMOUNT + 1 if dear and pick % 7 == 0 else AMOUNT
        read = [
            BankLine(n, order_id(claim, of), told, "other", TODAY, amount) for n, (claim, of, told) in enumerate(lines)
        ]
        if stranger:
            read.append(BankLine(len(read), "X-1", "paid", "other", TODAY, AMOUNT))
        digest = sha256(repr((id, read)).encode()).hexdigest()
        for _ in range(1 + again):
            before = {claim: list(events) for claim, events in self.claims.items()}
            repeated = digest in self.batch(id).imports
            self.import_once(id, digest, read)
            if repeated:
                assert before == self.claims

    def import_once(self, id: PaymentBatchId, digest: str, read: list[BankLine]) -> None:
        batch = self.batch(id)
        if digest in batch.imports:
            assert decide(ImportResults(digest, "csv", (), "usr_1", TODAY), batch) == []
            return
        double, judged = doubled(read), []
        for line in read:
            one = judge(line, double.get(line.line), id, {claim: self.claim(claim) for claim in CLAIMS})
            assert one.line.verdict in REFUSABLE
            if one.claim_id is not None:
                self.write(one.claim_id, one.events)
            judged.append(one.line)
        imported = decide(ImportResults(digest, "csv", tuple(judged), "usr_1", TODAY), batch)
        assert not isinstance(imported, Rejection)
        self.batches[id] += imported

    @rule(claim=st.sampled_from(CLAIMS), pick=picks)
    def attest(self, claim: ClaimId, pick: int) -> None:
        orders = self.claim(claim).orders
        if orders:
            batch = orders[pick % len(orders)].batch_id
            kind, told = ("statement", "document")[pick % 2], ("paid", "returned")[pick // 2 % 2]
            shown_by = f"usr_{pick // 4 % 2}"
            self.tell(claim, AttestOutcome(batch, told, "other", TODAY, kind, "D-1", shown_by))  # type: ignore[arg-type]

    @rule(claim=st.sampled_from(CLAIMS), matches=st.booleans())
    def correct(self, claim: ClaimId, matches: bool) -> None:
        if self.tell(claim, CorrectClaim(payee(b"another"), TODAY)):
            self.tell(claim, RecordPayeeCheck(matches, self.claim(claim).payee_accounts))

    # -- year's end, and money claimed back --------------------------------------------------------------------------

    @rule(claim=st.sampled_from(CLAIMS))
    def carry(self, claim: ClaimId) -> None:
        left = NEXT_BOUND - self.limits.used.get((BUDGET, NEXT_LINE), Decimal(0))
        self.tell(claim, CarryCommitment(LINE, NEXT_LINE, TODAY, fits=left >= AMOUNT))

    @rule(claim=st.sampled_from(CLAIMS))
    def recover(self, claim: ClaimId) -> None:
        id = recovery_of(claim)
        if isinstance(decide_claim(RecoverClaim(id, TODAY), self.claim(claim)), Rejection):
            return
        proposed = RecoveryProposed(id, claim, PERSON, AMOUNT, "paid_in_error", "D-1", "usr_1", TODAY)
        for command in (ProposeRecovery(proposed), ConfirmRecovery("usr_2", TODAY)):
            decision = decide_recovery(command, self.recovery(id))
            assert not isinstance(decision, Rejection)
            self.recoveries.setdefault(id, []).extend(decision)
        assert self.tell(claim, RecoverClaim(id, TODAY))

    @rule(claim=st.sampled_from(CLAIMS), cents=st.sampled_from([60_000, 1, 180_000]), pick=picks, late=st.booleans())
    def receive(self, claim: ClaimId, cents: int, pick: int, late: bool) -> None:
        id, line = recovery_of(claim), NEXT_LINE if late else LINE
        command = ReceiveInstalment(Decimal(cents) / 100, f"B-{pick % 4}", line, TODAY, "usr_1")
        self.go_on(claim, decide_recovery(command, self.recovery(id)))

    @rule(claim=st.sampled_from(CLAIMS), pick=picks)
    def give_up(self, claim: ClaimId, pick: int) -> None:
        command = WriteOffRecovery("D-2", f"usr_{pick % 2}", TODAY)
        self.go_on(claim, decide_recovery(command, self.recovery(recovery_of(claim))))

    def go_on(self, claim: ClaimId, decision: Any) -> None:
        id = recovery_of(claim)
        if isinstance(decision, Rejection) or not decision:
            return
        self.recoveries[id] += decision
        status = self.recovery(id).status
        if status in ("settled", "waived"):
            assert self.tell(claim, EndRecovery(id, status == "settled", frees_place=False, today=TODAY))

    # -- what must hold ------------------------------------------------------------------------------------------------

    @invariant()
    def no_claim_is_paid_twice_and_at_most_one_order_is_in_flight(self) -> None:
        for events in self.claims.values():
            paid: set[str] = set()
            for event in events:
                match event:
                    case ClaimPaid(batch_id):
                        paid.add(batch_id)
                    case PaymentReturned(batch_id):
                        paid.discard(batch_id)
                assert len(paid) <= 1
            claim = CLAIM.fold(events)
            assert sum(order.in_flight or order.status == "paid" for order in claim.orders) <= 1

    @invariant()
    def budget_covers_commitments_and_commitments_cover_payments(self) -> None:
        for line, bound in ((LINE, BUDGET_BOUND), (NEXT_LINE, NEXT_BOUND)):
            used = self.limits.used.get((BUDGET, line), Decimal(0))
            said = totals(self.accounts(line, bound))
            assert bound >= used == said.committed >= said.paid + said.in_flight
            assert said.ordered == said.paid + said.returned + said.in_flight
            assert said.committed == said.paid + said.in_flight + said.unpaid
            assert min(said.unpaid, said.recovered, said.received, said.written_off) >= 0

    @invariant()
    def the_lines_reconcile(self) -> None:
        for line, bound in ((LINE, BUDGET_BOUND), (NEXT_LINE, NEXT_BOUND)):
            found = differences(self.accounts(line, bound))
            assert {item.difference for item in found} <= {"result_refused"}, found

    @invariant()
    def whatever_is_not_at_its_end_says_whom_it_waits_for(self) -> None:
        for id, events in self.claims.items():
            claim = CLAIM.fold(events)
            assert claim.ended or shown(id, claim).waiting_for

    def accounts(self, line: str, bound: Decimal) -> Accounts:
        claims = {id: self.claim(id) for id in self.claims}
        of_line: dict[str, Claim] = {
            id: claim for id, claim in claims.items() if line in (claim.budget_line, *claim.carried_from)
        }
        recoveries: dict[str, Recovery] = {id: self.recovery(id) for id in self.recoveries}
        return Accounts(
            line=line,
            budget=bound,
            claims=of_line,
            batches={id: self.batch(id) for id in self.batches},
            recoveries=recoveries,
            received=sum(
                (item.amount for recovery in recoveries.values() for item in recovery.instalments if item.line == line),
                Decimal("0.00"),
            ),
            ledger=self.limits.used.get((BUDGET, line), Decimal("0.00")),
        )


@pytest.mark.clause("B-12")
@pytest.mark.clause("B-19")
@pytest.mark.clause("B-35")
class TestMoneyLives(MoneyLives.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(max_examples=120, stateful_step_count=40, deadline=None)

"""Recovery: wrongly paid money is claimed back, instalment by instalment, until all has come or two persons give up.

Opened by one person with grounds and confirmed by another. What a revocation suggests is decided by people.
(沪人社规〔2023〕7号 二(五); 个人信息保护法 art. 24)
"""

from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec.structs import replace

from shared.eventstore.decider import Aggregate, Decision, Event, Rejection
from shared.values.ids import ClaimId, PersonId, RecoveryId

Ground = Literal["certificate_revoked", "facts_untrue", "paid_in_error"]
RecoveryStatus = Literal["suggested", "proposed", "dismissed", "recovering", "settled", "waived"]
MOST_INSTALMENTS = 200

# -- events: what happened; the names are the storage format -------------------------------------------------------


class RecoverySuggested(Event, frozen=True, tag="subsidy.RecoverySuggested.v1"):
    """A certificate was revoked after its claim was paid: people decide whether to claim the money (CNY) back."""

    recovery_id: RecoveryId
    claim_id: ClaimId
    person_id: PersonId
    amount: Decimal
    ground: Ground
    document: str
    suggested_on: date


class RecoveryProposed(Event, frozen=True, tag="subsidy.RecoveryProposed.v1"):
    """One person proposes to claim the money (CNY) back. `document`: the reference of the file that says why."""

    recovery_id: RecoveryId
    claim_id: ClaimId
    person_id: PersonId
    amount: Decimal
    ground: Ground
    document: str
    proposed_by: str
    proposed_on: date


class RecoveryConfirmed(Event, frozen=True, tag="subsidy.RecoveryConfirmed.v1"):
    """A second person confirmed it: the money is owed from now on."""

    confirmed_by: str
    confirmed_on: date


class RecoveryDismissed(Event, frozen=True, tag="subsidy.RecoveryDismissed.v1"):
    """A person decided that there is nothing to claim back."""

    dismissed_by: str
    document: str
    dismissed_on: date


class InstalmentReceived(Event, frozen=True, tag="subsidy.InstalmentReceived.v1"):
    """Money (CNY) came in. `reference`: the bank's; `line`: the budget line of the year in which it came."""

    amount: Decimal
    reference: str
    line: str
    received_on: date
    recorded_by: str


class RecoverySettled(Event, frozen=True, tag="subsidy.RecoverySettled.v1"):
    """All of it has come in."""

    settled_on: date


class WriteOffProposed(Event, frozen=True, tag="subsidy.WriteOffProposed.v1"):
    """One person proposes to give up what has not come in."""

    document: str
    proposed_by: str


class RecoveryWrittenOff(Event, frozen=True, tag="subsidy.RecoveryWrittenOff.v1"):
    """A second person agreed: what is left (CNY) is given up."""

    amount: Decimal
    document: str
    written_off_by: str
    written_off_on: date


RecoveryEvent = (
    RecoverySuggested | RecoveryProposed | RecoveryConfirmed | RecoveryDismissed | InstalmentReceived
    | RecoverySettled | WriteOffProposed | RecoveryWrittenOff
)  # fmt: skip
EVENTS = (
    RecoverySuggested, RecoveryProposed, RecoveryConfirmed, RecoveryDismissed, InstalmentReceived,
    RecoverySettled, WriteOffProposed, RecoveryWrittenOff,
)  # fmt: skip


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Instalment(msgspec.Struct, frozen=True):
    amount: Decimal
    reference: str
    line: str
    received_on: date


class WriteOff(msgspec.Struct, frozen=True):
    document: str
    proposed_by: str


class Recovery(msgspec.Struct, frozen=True):
    id: RecoveryId | None = None
    claim_id: ClaimId | None = None
    amount: Decimal = Decimal("0.00")
    ground: Ground = "paid_in_error"
    document: str = ""
    status: RecoveryStatus = "suggested"
    proposed_by: str | None = None
    instalments: tuple[Instalment, ...] = ()
    write_off: WriteOff | None = None
    written_off: Decimal = Decimal("0.00")

    @property
    def received(self) -> Decimal:
        return sum((item.amount for item in self.instalments), Decimal("0.00"))

    @property
    def owed(self) -> Decimal:
        """What is still to come, CNY."""
        return self.amount - self.received - self.written_off


def evolve(recovery: Recovery, event: RecoveryEvent) -> Recovery:
    match event:
        case RecoverySuggested():
            return Recovery(event.recovery_id, event.claim_id, event.amount, event.ground, event.document)
        case RecoveryProposed():
            return Recovery(
                event.recovery_id, event.claim_id, event.amount, event.ground, event.document, "proposed",
                event.proposed_by,
            )  # fmt: skip
        case RecoveryConfirmed():
            return replace(recovery, status="recovering")
        case RecoveryDismissed():
            return replace(recovery, status="dismissed")
        case InstalmentReceived(amount, reference, line, received_on):
            came = Instalment(amount, reference, line, received_on)
            return replace(recovery, instalments=(*recovery.instalments, came), write_off=None)
        case RecoverySettled():
            return replace(recovery, status="settled")
        case WriteOffProposed(document, proposed_by):
            return replace(recovery, write_off=WriteOff(document, proposed_by))
        case RecoveryWrittenOff(amount):
            return replace(recovery, status="waived", written_off=amount)


def recovery_of(claim_id: str) -> RecoveryId:
    """The one recovery that a claim may have: its id follows from the claim's, so that two at once are one."""
    return RecoveryId(f"rec_{claim_id.partition('_')[2]}")


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class SuggestRecovery(msgspec.Struct, frozen=True):
    suggested: RecoverySuggested


class ProposeRecovery(msgspec.Struct, frozen=True):
    """Also of what was suggested, or dismissed before: a person takes it on, with a document."""

    proposed: RecoveryProposed


class ConfirmRecovery(msgspec.Struct, frozen=True):
    by: str
    today: date


class DismissRecovery(msgspec.Struct, frozen=True):
    by: str
    document: str
    today: date


class ReceiveInstalment(msgspec.Struct, frozen=True):
    amount: Decimal
    reference: str
    line: str
    on: date
    by: str


class WriteOffRecovery(msgspec.Struct, frozen=True):
    """Once proposes, a second time by another person does it."""

    document: str
    by: str
    today: date


RecoveryCommand = (
    SuggestRecovery | ProposeRecovery | ConfirmRecovery | DismissRecovery | ReceiveInstalment | WriteOffRecovery
)

NOT_FOUND = Rejection(code="not_found", detail="没有找到这项追回", status=404)


def decide(command: RecoveryCommand, recovery: Recovery) -> Decision:
    match command:
        case SuggestRecovery(suggested):
            return [] if recovery.id is not None else [suggested]
        case ProposeRecovery(proposed):
            new = recovery.id is None or recovery.status in ("suggested", "dismissed")
            return [proposed] if new else _wrong_state(recovery, "提出")
        case _ if recovery.id is None:
            return NOT_FOUND
        case ConfirmRecovery(by, today):
            if recovery.status != "proposed":
                return _wrong_state(recovery, "确认")
            return _second(recovery.proposed_by, by) or [RecoveryConfirmed(by, today)]
        case DismissRecovery(by, document, today):
            if recovery.status not in ("suggested", "proposed"):
                return _wrong_state(recovery, "撤销")
            return [RecoveryDismissed(by, document, today)]
        case ReceiveInstalment():
            return _receive(command, recovery)
        case WriteOffRecovery():
            return _write_off(command, recovery)


def _receive(command: ReceiveInstalment, recovery: Recovery) -> Decision:
    """Exactly what came: the same reference again is nothing new, and more than is owed is not taken."""
    known = next((item for item in recovery.instalments if item.reference == command.reference), None)
    if known is not None:
        same = (known.amount, known.received_on) == (command.amount, command.on)
        return [] if same else Rejection(code="reference_used", detail="这个银行流水号已登记过另一笔追回款")
    if recovery.status != "recovering":
        return _wrong_state(recovery, "登记追回款")
    if command.amount <= 0 or command.amount > recovery.owed:
        return Rejection(
            code="more_than_owed",
            detail=f"金额须大于零，且不超过尚欠的 {recovery.owed} 元",
            extensions={"owed": str(recovery.owed)},
        )
    if len(recovery.instalments) >= MOST_INSTALMENTS and command.amount < recovery.owed:
        return Rejection(code="too_many_instalments", detail=f"最多分 {MOST_INSTALMENTS} 次退回")
    came = InstalmentReceived(command.amount, command.reference, command.line, command.on, command.by)
    return [came, RecoverySettled(command.on)] if command.amount == recovery.owed else [came]


def _write_off(command: WriteOffRecovery, recovery: Recovery) -> Decision:
    if recovery.status != "recovering":
        return _wrong_state(recovery, "核销")
    before = recovery.write_off
    if before is None or before.document != command.document:
        return [WriteOffProposed(command.document, command.by)]
    written_off = RecoveryWrittenOff(recovery.owed, command.document, command.by, command.today)
    return _second(before.proposed_by, command.by) or [written_off]


def _second(first: str | None, by: str) -> Rejection | None:
    if first != by:
        return None
    return Rejection(code="second_person_required", detail="须由另一人办理", status=403)


def _wrong_state(recovery: Recovery, act: str) -> Rejection:
    return Rejection(
        code="wrong_state",
        detail=f"这项追回当前状态不能{act}",
        extensions={"recovery_status": recovery.status},
    )


RECOVERY: Aggregate[Recovery] = Aggregate("rec", EVENTS, Recovery, evolve)

"""How a recovery is shown."""

from decimal import Decimal

import msgspec

from services.subsidy.domain.recovery import Instalment, Recovery, RecoveryStatus
from shared.eventstore.listing import Listed


class ShownRecovery(msgspec.Struct, frozen=True):
    """Amounts in CNY; `owed` is what is still to come. `waiting_for`: whose turn it is, zh-CN; null at the end."""

    id: str
    claim_id: str
    recovery_status: RecoveryStatus
    ground: str
    document: str
    amount: Decimal
    received: Decimal
    written_off: Decimal
    owed: Decimal
    instalments: tuple[Instalment, ...]
    waiting_for: str | None


_WAITING_FOR = {
    "suggested": "财务或市经办决定是否追回",
    "proposed": "另一人确认追回",
    "recovering": "当事人退回款项",
}


def shown(id: str, recovery: Recovery) -> ShownRecovery:
    return ShownRecovery(
        id=id,
        claim_id=recovery.claim_id or "",
        recovery_status=recovery.status,
        ground=recovery.ground,
        document=recovery.document,
        amount=recovery.amount,
        received=recovery.received,
        written_off=recovery.written_off,
        owed=recovery.owed,
        instalments=recovery.instalments,
        waiting_for=_WAITING_FOR.get(recovery.status),
    )


def listed(id: str, recovery: Recovery) -> Listed:
    lines = {item.line for item in recovery.instalments}
    facets = [f"status:{recovery.status}", f"claim:{recovery.claim_id}", *(f"line:{line}" for line in sorted(lines))]
    return Listed(facets, shown(id, recovery))

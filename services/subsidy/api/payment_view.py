"""How budgets and payment batches are shown."""

from decimal import Decimal

import msgspec

from services.subsidy.domain.budget import Budget
from services.subsidy.domain.payment_batch import Batch
from shared.eventstore.listing import Listed


class ShownBudget(msgspec.Struct, frozen=True):
    line: str
    programme: str
    year: int
    amount: Decimal | None


class BudgetState(msgspec.Struct, frozen=True):
    """`left` is what is not committed yet."""

    line: str
    amount: Decimal
    committed: Decimal
    left: Decimal


class BudgetShown(msgspec.Struct, frozen=True):
    """The same with what was paid net of returns, and what came back in that year, CNY, as of a log position.

    What came back is shown where it came in; it makes no room for commitments.
    """

    line: str
    amount: Decimal
    committed: Decimal
    left: Decimal
    paid: Decimal
    recovered: Decimal
    as_of: int


class CarryOverState(msgspec.Struct, frozen=True):
    """`confirmed`: two persons have decided it."""

    line: str
    to_line: str
    confirmed: bool


def listed_budget(id: str, budget: Budget) -> Listed:
    return Listed(
        (f"programme:{budget.programme}",), ShownBudget(budget.line, budget.programme, budget.year, budget.amount)
    )


class ResultTaken(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was made of a line. `accepted`: it is, or was already, on record; `status` is the claim's now.

    `code` says why a line changed nothing; a line whose number is no order's has an empty `claim_id`.
    """

    claim_id: str
    accepted: bool
    line: int = 0
    order_id: str | None = None
    status: str | None = None
    code: str | None = None


class ResultsTaken(msgspec.Struct, frozen=True):
    """`digest`: SHA-256 of what was sent, hexadecimal; `repeated`: the batch has had it, and nothing was changed."""

    digest: str
    repeated: bool
    results: tuple[ResultTaken, ...]


class ShownBatch(msgspec.Struct, frozen=True):
    id: str
    status: str
    claims: tuple[str, ...]
    dropped: tuple[str, ...]
    count: int
    total: Decimal


def shown_batch(id: str, batch: Batch) -> ShownBatch:
    claims = tuple(item.claim_id for item in batch.items)
    return ShownBatch(id, batch.status, claims, batch.dropped, len(claims), batch.total)


def listed_batch(id: str, batch: Batch) -> Listed:
    return Listed((f"status:{batch.status}",), shown_batch(id, batch))

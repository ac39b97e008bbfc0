"""How the small aggregate appears in lists."""

import msgspec

from shared.eventstore.listing import Listed
from tests.integration.eventstore.account import Account


class Shown(msgspec.Struct, frozen=True):
    id: str
    total: int


def show(stream: str, account: Account) -> Listed:
    return Listed([f"total:{account.total}"], Shown(stream, account.total))

"""How notices are shown to staff: without anybody's name."""

from datetime import date

import msgspec

from services.subsidy.domain.notice import Notice
from shared.eventstore.listing import Listed


class ObjectionShown(msgspec.Struct, frozen=True):
    id: str
    claim_id: str
    settle_by: date
    upheld: bool | None
    evidence: tuple[str, ...]
    escalated_to: str | None


class ObjectionTaken(msgspec.Struct, frozen=True):
    id: str
    claim_id: str
    settle_by: date


class ShownNotice(msgspec.Struct, frozen=True):
    id: str
    status: str
    district: str
    programme: str
    title: str
    claims: tuple[str, ...]
    published_on: str | None
    last_day: str | None
    objections: tuple[ObjectionShown, ...]


def shown(id: str, notice: Notice) -> ShownNotice:
    """A notice without anybody's name: names are on the public page only, while it is up."""
    return ShownNotice(
        id=id,
        status=notice.status,
        district=notice.district,
        programme=notice.programme,
        title=notice.title,
        claims=tuple(entry.claim_id for entry in notice.entries),
        published_on=notice.published_on.isoformat() if notice.published_on else None,
        last_day=notice.last_day.isoformat() if notice.last_day else None,
        objections=tuple(
            ObjectionShown(key, item.claim_id, item.settle_by, item.upheld, item.evidence, item.escalated_to)
            for key, item in notice.objections.items()
        ),
    )


def listed(id: str, notice: Notice) -> Listed:
    facets = [f"status:{notice.status}", f"district:{notice.district}", f"programme:{notice.programme}"]
    if notice.status != "draft":
        facets.append("shown:published")
    return Listed(facets, shown(id, notice))

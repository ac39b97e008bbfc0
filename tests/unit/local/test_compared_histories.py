"""Histories are compared one by one: what cannot be read or found in one is a finding, and the others are compared."""

from collections.abc import Callable
from datetime import datetime
from typing import cast
from uuid import UUID

import msgspec
import pytest

from deploy.local import histories
from deploy.local.client import Client
from deploy.local.histories import Comparison, NoSuchClaim, compare
from deploy.local.rebuilt import City, city_of
from services.audit.archive.history import History, Located
from services.subsidy.domain.claim_events import ClaimSubmitted
from shared.eventstore.record import Actor, Record
from tests.contract.events.samples import MOMENT, example, payload_of

NOBODY = cast(Client, None)


def stored(payload: bytes) -> list[Located]:
    record = Record(
        id=UUID(int=1), stream="clm_1", version=1, log_id=UUID(int=5), type="subsidy.ClaimSubmitted.v2",
        recorded_at=MOMENT, occurred_at=MOMENT, actor=Actor("app"), causation_id=None, correlation_id=None,
        traceparent=None, payload=msgspec.Raw(payload),
    )  # fmt: skip
    return [Located("subsidy", 1, record)]


@pytest.fixture
def keep(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Kafka and the stores hold one claim with this payload, and the archive none."""

    def told(payload: bytes) -> None:
        async def from_kafka(client: Client) -> City:
            return city_of(stored(payload))

        async def from_stores(client: Client) -> list[Located]:
            return stored(payload)

        async def from_archive(client: Client, claim_id: str, as_of: datetime | None = None) -> History:
            raise NoSuchClaim(claim_id)

        monkeypatch.setattr(histories, "read_kafka", from_kafka)
        monkeypatch.setattr(histories, "read_stores", from_stores)
        monkeypatch.setattr(histories, "read_archive", from_archive)

    return told


async def test_an_event_that_cannot_be_read_is_a_finding(keep: Callable[[bytes], None]) -> None:
    keep(b'{"claim_id":7}')
    [compared] = await compare(NOBODY, ["clm_1"])
    assert compared.claim_id == "clm_1"
    [finding] = compared.findings
    assert finding.startswith("事件无法读取：")


async def test_a_claim_that_the_archive_lacks_is_a_finding(keep: Callable[[bytes], None]) -> None:
    keep(payload_of(example(ClaimSubmitted)))
    assert await compare(NOBODY, ["clm_1"]) == [Comparison("clm_1", ("档案中没有此申请",))]

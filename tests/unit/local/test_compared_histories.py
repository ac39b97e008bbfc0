"""Histories are compared one by one: what cannot be read in one is a finding, and the others are compared."""

from typing import cast
from uuid import UUID

import msgspec
import pytest

from deploy.local import histories
from deploy.local.client import Client
from deploy.local.histories import compare
from deploy.local.rebuilt import City, city_of
from services.audit.archive.history import Located
from shared.eventstore.record import Actor, Record
from tests.contract.events.samples import MOMENT


async def test_an_event_that_cannot_be_read_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record(
        id=UUID(int=1), stream="clm_1", version=1, log_id=UUID(int=5), type="subsidy.ClaimSubmitted.v2",
        recorded_at=MOMENT, occurred_at=MOMENT, actor=Actor("app"), causation_id=None, correlation_id=None,
        traceparent=None, payload=msgspec.Raw(b'{"claim_id":7}'),
    )  # fmt: skip
    stored = [Located("subsidy", 1, record)]

    async def from_kafka(client: Client) -> City:
        return city_of(stored)

    async def from_stores(client: Client) -> list[Located]:
        return stored

    monkeypatch.setattr(histories, "read_kafka", from_kafka)
    monkeypatch.setattr(histories, "read_stores", from_stores)
    [compared] = await compare(cast(Client, None), ["clm_1"])
    assert compared.claim_id == "clm_1"
    [finding] = compared.findings
    assert finding.startswith("事件无法读取：")

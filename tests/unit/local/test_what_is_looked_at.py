"""What the check for personal data says of what it cannot look into."""

from typing import cast

import pytest
from aiokafka import TopicPartition

from deploy.local.client import Client
from deploy.local.histories import Hear
from deploy.local.settings import StackSettings
from deploy.local.verify import places
from deploy.local.verify.privacy import Look
from shared.messaging.reader import hollow


async def test_a_message_that_nobody_can_unpack_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hear_events(_: Client, hear: Hear) -> None:
        for offset in (3, 4, 4):
            hear(hollow(TopicPartition("huchuang.registry.events", 1), offset))

    async def no_heads(*_: object) -> None:
        return

    monkeypatch.setattr(places, "hear_events", hear_events)
    monkeypatch.setattr(places, "read_heads_topic", no_heads)
    settings = cast(StackSettings, type("Settings", (), {"databases": {}}))
    look = Look(["310101199001011234"])
    look.at(await places.in_topics(cast(Client, None), settings))
    assert look.told().findings == ["Kafka huchuang.registry.events 有 2 条消息无法解码，未能检查"]

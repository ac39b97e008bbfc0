"""The check of webhooks can fail: for each thing that must hold there is a history in which it does not."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from deploy.local.app_backend.received import Received
from deploy.local.verify.webhooks import Standing, findings_of, told_by
from services.audit.archive.history import Located
from shared.eventstore.record import Actor, Record

AT = datetime(2025, 3, 3, 1, tzinfo=UTC)
NONE = UUID(int=0)
APP = "http://127.0.0.1:8109/app-backend/webhooks"
CLAIM = {"person_id": "per_1", "subject_kind": "claim", "subject_id": "clm_1"}

Given = tuple[str, dict[str, Any]]


def located(*events: Given) -> list[Located]:
    """These events as notify's log, the newest first: the order is that of positions."""
    records = []
    for position, (kind, fields) in enumerate(events, 1):
        tag = f"notify.{kind}.v1"
        record = Record(
            id=UUID(int=position), stream="s", version=1, log_id=NONE, type=tag, recorded_at=AT, occurred_at=AT,
            actor=Actor("notify"), causation_id=None, correlation_id=None, traceparent=None,
            payload=msgspec.Raw(msgspec.json.encode({"type": tag, **fields})),
        )  # fmt: skip
        records.append(Located("notify", position, record))
    return records[::-1]


def registered(id: str = "whe_1", *types: str, url: str = APP) -> Given:
    return "WebhookEndpointRegistered", {"endpoint_id": id, "client": "app", "url": url, "types": types}


def sent(id: str, template: str = "claim_paid.v1") -> Given:
    return "MessageSent", {"message_id": id, "template": template, **CLAIM}


def attempted(id: str, outcome: str = "delivered", number: int = 1, *, is_last: bool = False, **changes: Any) -> Given:
    """What is none is left out of an event, such as the next attempt of what is delivered or given up."""
    made = {"attempt_id": f"wha_{id}_{number}", "endpoint_id": "whe_1", "message_id": id}
    more: dict[str, Any] = {
        "owed_since": AT,
        "number": number,
        "outcome": outcome,
        **({} if is_last or outcome == "delivered" else {"next_at": AT}),
    }
    return "WebhookAttempted", {**made, **more, "message_type": "claim.paid", **changes}


def on(what: str, **fields: Any) -> Given:
    return f"Webhook{what}", {"endpoint_id": "whe_1", **fields}


def came(id: str, second: int = 0, kind: str = "claim.paid", **changes: str) -> Received:
    data = {"message_id": id, **CLAIM, **changes}
    return Received(id=id, type=kind, timestamp="2025-03-03T01:00:00Z", data=data, came_at=AT.replace(second=second))


def found(*events: Given, waiting: int = 0, given_up: int = 0, received: tuple[Received, ...] = ()) -> list[str]:
    """What the check finds when so much is shown of the one endpoint."""
    return findings_of(told_by(located(*events)), {"whe_1": Standing(waiting, given_up)}, received)


def test_a_message_that_is_delivered_and_has_come_is_fine() -> None:
    assert found(registered(), sent("msg_1"), attempted("msg_1"), received=(came("msg_1"),)) == []


def test_a_message_that_waits_for_its_next_attempt_is_fine_however_often_it_has_come() -> None:
    events = registered(), sent("msg_1"), attempted("msg_1", "failed"), attempted("msg_1", "failed", 2)
    assert found(*events, waiting=1, received=(came("msg_1"), came("msg_1", 5))) == []


def test_a_message_without_attempt_that_nobody_waits_for_is_found() -> None:
    assert found(registered(), sent("msg_1")) == ["whe_1：显示待通知 0 条、已放弃 0 条，事件为 1 条、0 条（msg_1）"]


def test_a_message_that_waits_though_it_is_delivered_is_found() -> None:
    events = registered(), sent("msg_1"), attempted("msg_1")
    assert len(found(*events, waiting=1, received=(came("msg_1"),))) == 1


def test_a_message_that_was_given_up_has_to_be_shown_as_such() -> None:
    events = registered(), sent("msg_1"), attempted("msg_1", "failed", is_last=True)
    assert found(*events, given_up=1) == []
    assert len(found(*events, waiting=1)) == 1
    assert found(*events, on("EndpointDisabled", reason="failing"), on("EndpointEnabled"), waiting=1) == []


@pytest.mark.parametrize("events", [
    (sent("msg_1"), registered()),
    (registered("whe_1", "claim.held"), sent("msg_1")),
    (registered(), on("TypesChosen", types=["claim.held"]), sent("msg_1")),
    (registered(), sent("msg_1"), on("EndpointRemoved")),
    (registered(), on("EndpointRemoved"), sent("msg_1")),
])  # fmt: skip
def test_nothing_is_owed_of_what_is_not_wanted(events: tuple[Given, ...]) -> None:
    assert found(*events) == []
    assert len(found(*events, waiting=1)) == 1


def test_what_is_sent_while_an_endpoint_is_disabled_waits() -> None:
    assert found(registered(), on("EndpointDisabled", reason="asked"), sent("msg_1"), waiting=1) == []


def test_an_attempt_without_a_message_is_found() -> None:
    assert found(registered(), attempted("msg_1")) == ["wha_msg_1_1：回调了未曾发出的消息 msg_1"]


def test_an_attempt_at_an_endpoint_that_was_never_registered_is_found() -> None:
    told = told_by(located(sent("msg_1"), attempted("msg_1")))
    assert findings_of(told, {}, []) == ["wha_msg_1_1：回调了未登记的地址 whe_1"]


def test_an_attempt_of_what_is_not_owed_is_found_unless_it_was_asked_for() -> None:
    twice = registered(), sent("msg_1"), attempted("msg_1"), attempted("msg_1", number=2)
    received = (came("msg_1"), came("msg_1", 1))
    assert found(*twice, received=received) == ["wha_msg_1_2：whe_1 不该有 msg_1 的回调"]
    again = on("ResendRequested", message_id="msg_1", number=1)
    assert found(*twice[:3], again, twice[3], received=received) == []


def test_an_attempt_that_was_under_way_when_its_endpoint_was_removed_is_fine() -> None:
    events = registered(), sent("msg_1"), on("EndpointRemoved"), attempted("msg_1")
    assert found(*events, received=(came("msg_1"),)) == []


def test_attempts_are_counted_without_a_gap_and_of_the_message_s_type() -> None:
    events = registered(), sent("msg_1"), attempted("msg_1", number=2, message_type="claim.held")
    assert found(*events, received=(came("msg_1"),)) == [
        "wha_msg_1_2：类型为 claim.held，应为 claim.paid",
        "wha_msg_1_2：记为第 2 次，应为第 1 次",
    ]


def test_a_test_is_attempted_like_a_message() -> None:
    asked = on("TestRequested", test_id="tst_1")
    assert found(registered(), asked, waiting=1) == []
    delivered = attempted("tst_1", message_type="webhook.test")
    there = msgspec.structs.replace(came("tst_1", kind="webhook.test"), data={"test_id": "tst_1"})
    assert found(registered(), asked, delivered, received=(there,)) == []


def test_what_is_delivered_to_the_app_backend_has_to_be_there() -> None:
    events = sent("msg_1"), attempted("msg_1")
    assert found(registered(), *events) == ["msg_1 记为已送达，App 后台没有收到"]
    assert found(registered(url="https://app.example/hooks"), *events) == []


def test_what_comes_to_the_app_backend_has_to_be_what_was_sent() -> None:
    events = registered(), sent("msg_1"), attempted("msg_1")
    for other in (came("msg_1", kind="claim.held"), came("msg_1", person_id="per_2")):
        assert found(*events, received=(came("msg_1"), other)) == ["App 后台收到的 msg_1 与发出的不同"]
    later = msgspec.structs.replace(came("msg_1"), timestamp="2025-03-03T02:00:00Z")
    assert found(*events, received=(came("msg_1"), later)) == ["App 后台几次收到的 msg_1 各不相同"]
    assert found(*events, received=(came("msg_1"), came("msg_2"))) == ["App 后台收到 msg_2，它未曾发出"]


def test_an_attempt_that_was_under_way_when_its_endpoint_was_enabled_gives_nothing_up() -> None:
    earlier = AT - timedelta(seconds=1)
    last = attempted("msg_1", "failed", is_last=True, owed_since=earlier)
    history = (registered(), sent("msg_1"), on("EndpointDisabled"), on("EndpointEnabled"), last)
    assert found(*history, waiting=1) == []
    assert found(*history, given_up=1) != []

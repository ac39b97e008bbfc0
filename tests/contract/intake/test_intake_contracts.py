"""What a service understands of another's events: checked against the producer's own structs, for every service."""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from hypothesis import given as every
from hypothesis import settings
from hypothesis import strategies as st

from shared.eventstore.decider import Event
from shared.eventstore.needs import Fact
from shared.eventstore.process import Process
from shared.eventstore.record import Actor, Record
from shared.messaging.intake import Listens
from tests.contract.events.samples import anything_like, example, payload_of
from tests.contract.events.tree import definitions, event_classes, older_tags

MOMENT = datetime(2025, 3, 3, 1, tzinfo=UTC)
LISTENING = [(name, item.tag) for name, one in definitions().items() for item in one.listens]
LISTENING_NOW = [(name, tag) for name, tag in LISTENING if tag not in older_tags()]
REACTING = [(name, process.name, tag) for name, one in definitions().items() for process in one.processes
            for tag in sorted(process.on)]  # fmt: skip
REACTING_NOW = [(name, process, tag) for name, process, tag in REACTING if tag not in older_tags()]


def record_of(tag: str, event: Event) -> Record:
    """A record as it would come over Kafka, of a stream that the event's own id names."""
    prefix = next(
        aggregate.prefix
        for one in definitions().values()
        for aggregate in one.aggregates
        if event_classes()[tag] in aggregate.events
    )
    return Record(
        id=UUID(int=7 << 76 | 2 << 62 | 9),
        stream=f"{prefix}_{UUID(int=7 << 76 | 2 << 62 | 1)}",
        version=1,
        log_id=UUID(int=5),
        type=tag,
        recorded_at=MOMENT,
        occurred_at=MOMENT,
        actor=Actor("test"),
        causation_id=None,
        correlation_id=None,
        traceparent=None,
        payload=msgspec.Raw(payload_of(event)),
    )


def listens_of(service: str, tag: str) -> Listens[msgspec.Struct]:
    [found] = [item for item in definitions()[service].listens if item.tag == tag]
    return found


def process_of(service: str, name: str) -> Process:
    [found] = [process for process in definitions()[service].processes if process.name == name]
    return found


@pytest.mark.parametrize(("service", "tag"), LISTENING)
def test_what_is_listened_to_exists_at_a_producer_that_is_consumed(service: str, tag: str) -> None:
    producer = tag.partition(".")[0]
    assert tag in event_classes() or tag in older_tags()
    assert producer in definitions()[service].sources
    assert producer != service


@pytest.mark.parametrize(("service", "process", "tag"), REACTING)
def test_what_is_reacted_to_exists_at_a_producer_that_is_consumed(service: str, process: str, tag: str) -> None:
    assert tag in event_classes() or tag in older_tags()
    assert tag.partition(".")[0] in (service, *definitions()[service].sources)


@pytest.mark.parametrize("service", definitions())
def test_what_is_consumed_exists_and_is_of_use(service: str) -> None:
    definition = definitions()[service]
    assert set(definition.sources) <= set(definitions()) - {service}
    if definition.effect is None:
        tags = {tag for process in definition.processes for tag in process.on} | {
            item.tag for item in definition.listens
        }
        assert set(definition.sources) <= {tag.partition(".")[0] for tag in tags}


@pytest.mark.parametrize(("service", "tag"), LISTENING_NOW)
@settings(max_examples=12, deadline=None)
@every(data=st.data())
def test_whatever_the_producer_writes_is_understood_and_noted(service: str, tag: str, data: st.DataObject) -> None:
    listens = listens_of(service, tag)
    event = data.draw(anything_like(event_classes()[tag]))
    record = record_of(tag, event)
    understood = msgspec.json.decode(record.payload, type=listens.event)
    for name in msgspec.structs.fields(listens.event):
        assert hasattr(event, name.name)
    notes = list(listens.notes(record, understood))
    assert notes
    for note in notes:
        assert issubclass(note.kind, Fact)
        assert note.key


def folded(service: str, tags: Iterable[str]) -> dict[tuple[str, str], Fact]:
    facts: dict[tuple[str, str], Fact] = {}
    for tag in tags:
        listens, record = listens_of(service, tag), record_of(tag, example(event_classes()[tag]))
        for note in listens.notes(record, msgspec.json.decode(record.payload, type=listens.event)):
            name = (note.kind.__name__, note.key)
            fact = note.update(facts.get(name))
            assert isinstance(fact, note.kind)
            assert msgspec.json.decode(msgspec.json.encode(fact), type=note.kind) == fact
            facts[name] = fact
    return facts


@pytest.mark.parametrize("service", [name for name, one in definitions().items() if one.listens])
def test_events_in_their_order_add_up_to_facts_that_can_be_kept_and_read_again(service: str) -> None:
    tags = [item.tag for item in definitions()[service].listens]
    assert len(tags) == len(set(tags))
    assert folded(service, [tag for tag in tags if tag not in older_tags()])


@pytest.mark.parametrize(("service", "process", "tag"), REACTING_NOW)
@settings(max_examples=12, deadline=None)
@every(data=st.data())
def test_every_process_can_react_to_whatever_its_producer_writes(
    service: str, process: str, tag: str, data: st.DataObject
) -> None:
    event = data.draw(anything_like(event_classes()[tag]))
    list(process_of(service, process).react(record_of(tag, event)))

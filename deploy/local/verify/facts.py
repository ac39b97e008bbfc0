"""Facts: what each service keeps of others' events is what its own notes make of their logs from the beginning."""

import importlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from deploy.local.settings import SERVICES
from deploy.local.verify.databases import reading
from deploy.local.verify.findings import Checked
from services.audit.archive.history import Located
from shared.eventstore.needs import Fact
from shared.messaging.intake import Listens
from shared.runtime.definition import ServiceDefinition

PAGE = 2000

Facts = dict[tuple[str, str], Fact]
"""By kind and key."""


async def check_facts(databases: Mapping[str, str], records: Sequence[Located]) -> Checked:
    """Of every service that listens to others; `records` are those of all services."""
    findings: list[str] = []
    count = 0
    for service in SERVICES:
        definition: ServiceDefinition = importlib.import_module(f"services.{service}.wiring").DEFINITION
        if definition.listens:
            expected = facts_of(definition.listens, (item for item in records if item.service in definition.sources))
            count += len(expected)
            findings += [f"{service} {finding}" async for finding in differing(databases[service], expected)]
    return Checked("所记他方事实", f"{count} 条", findings)


def facts_of(listens: Iterable[Listens[Any]], records: Iterable[Located]) -> Facts:
    """The fold of others' events.

    A note that needs what was never noted is passed over; the intake parks its message.
    """
    by_tag = {item.tag: item for item in listens}
    facts: Facts = {}
    heard_of = (item for item in records if item.record.type in by_tag)
    for item in sorted(heard_of, key=lambda item: (item.service, item.position)):
        heard = by_tag[item.record.type]
        event = msgspec.json.decode(item.record.payload, type=heard.event)
        for note in heard.notes(item.record, event):
            name = (note.kind.__name__, note.key)
            known = facts.get(name)
            if known is None and note.needs_known:
                continue
            if (now := note.update(known)) is None:
                facts.pop(name, None)
            else:
                facts[name] = now
    return facts


async def differing(database: str, expected: Facts) -> AsyncIterator[str]:
    """Where the table of facts says something else."""
    missing = dict(expected)
    async with reading(database) as connection:
        async for row in connection.cursor("select kind, key, value from fact order by kind, key", prefetch=PAGE):
            name = (row["kind"], row["key"])
            fact = missing.pop(name, None)
            if fact is None:
                yield f"{' '.join(name)}：来源的事件没有说过"
            elif not _says(row["value"], fact):
                yield f"{' '.join(name)}：所记与来源的事件不同"
    for name in missing:
        yield f"{' '.join(name)}：来源的事件说过，没有记下"


def _says(value: bytes, fact: Fact) -> bool:
    """Whether a row says what the fact says, whatever code wrote it."""
    try:
        return msgspec.json.decode(value, type=type(fact)) == fact
    except msgspec.MsgspecError:
        return False

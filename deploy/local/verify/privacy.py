"""Invariant 6: nothing personal is readable in events, tables, topics, logs, metrics, traces or URLs."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from deploy.local import settings
from deploy.local.client import Client
from deploy.local.demo.run import runs_of
from deploy.local.verify.findings import Checked
from deploy.local.verify.places import (
    Text,
    Undecoded,
    Unsealed,
    in_answers,
    in_answers_to_all,
    in_files,
    in_tables,
    in_topics,
)
from deploy.local.verify.spellings import Finder

BATCH = 5000
"""How many texts are held in memory."""


def values_of(directory: Path) -> list[str]:
    """Every personal value of the people of all demos that ran in this directory."""
    return sorted({value for run in runs_of(directory) for value in run.city().personal_values()})


@lru_cache(maxsize=1)
def _finder(values: tuple[str, ...]) -> Finder:
    return Finder(values)


class Look:
    """What has been looked at and what was found; a value itself is never repeated."""

    def __init__(self, values: Sequence[str]) -> None:
        self._values = tuple(values)
        self._hits: Counter[str] = Counter()
        self._spelt: dict[str, set[str]] = defaultdict(set)
        self._unsealed: Counter[str] = Counter()
        self._undecoded: Counter[str] = Counter()
        self._places: set[str] = set()
        self._bytes = 0

    def at(self, texts: Iterable[Text | Unsealed | Undecoded]) -> None:
        finder = _finder(self._values)
        for text in texts:
            self._places.add(text.place)
            if isinstance(text, Unsealed):
                self._unsealed[text.place] += 1
                continue
            if isinstance(text, Undecoded):
                self._undecoded[text.place] += 1
                continue
            self._bytes += len(text.content)
            if found := finder.found_in(text.content):
                self._hits[text.place] += 1
                self._spelt[text.place] |= found

    def told(self) -> Checked:
        findings = [
            f"{place} 中可读到个人信息（{hits} 处：{'、'.join(sorted(self._spelt[place]))}）"
            for place, hits in sorted(self._hits.items())
        ]
        findings += [f"{place} 有 {number} 个答复未封存" for place, number in sorted(self._unsealed.items())]
        undecoded = sorted(self._undecoded.items())
        findings += [f"{place} 有 {number} 条消息无法解码，未能检查" for place, number in undecoded]
        looked_at = f"{len(self._values)} 个值，{len(self._places)} 处，{self._bytes / 1e6:.1f} MB"
        return Checked("六 个人信息", looked_at, findings)


async def check_privacy(client: Client, directory: Path) -> Checked:
    """Look for every personal value of the demos' people in everything that may not hold one, however it is spelt."""
    stack = settings.read(directory)
    look = Look(await asyncio.to_thread(values_of, directory))
    for service, database in stack.databases.items():
        await _look_at_all(look, in_tables(service, database))
        await _look_at_all(look, in_answers(stack, service))
    elsewhere = [*await in_topics(client, stack), *await in_answers_to_all(client)]
    await asyncio.to_thread(look.at, elsewhere)
    await asyncio.to_thread(look.at, in_files(directory, stack))
    return look.told()


async def _look_at_all(look: Look, texts: AsyncIterator[Text | Unsealed]) -> None:
    batch: list[Text | Unsealed] = []
    async for text in texts:
        batch.append(text)
        if len(batch) == BATCH:
            await asyncio.to_thread(look.at, batch)
            batch = []
    await asyncio.to_thread(look.at, batch)

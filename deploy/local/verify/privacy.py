"""Invariant 6: nothing personal is readable in events, topics, logs, metrics, traces or URLs."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx

from deploy.local.client import Client
from deploy.local.demo.run import runs_of
from deploy.local.verify.findings import Checked
from services.audit.archive.history import Located
from shared.eventstore.record import canonical

CHUNK = 8 * 1024 * 1024


def values_of(directory: Path) -> list[str]:
    """Every personal value of the people of all demos that ran in this directory."""
    return sorted({value for run in runs_of(directory) for value in run.city().personal_values()})


def found_in(values: Iterable[bytes], text: bytes) -> list[bytes]:
    """Which of the values stand in a text; JSON's escapes for Chinese are looked for as well."""
    return [value for value in values if value in text]


def spellings(values: Iterable[str]) -> dict[bytes, str]:
    """How a value could be written: as it is, escaped as in JSON, percent-encoded as in a URL."""
    spelt: dict[bytes, str] = {}
    for value in values:
        for form in (value, json.dumps(value)[1:-1], quote(value)):
            spelt[form.encode()] = value
    return spelt


def _texts(directory: Path, located: Iterable[Located], kafka: Iterable[Located]) -> Iterator[tuple[str, bytes]]:
    yield "事件库", b"\n".join(canonical(item.record) for item in located)
    yield "Kafka", b"\n".join(canonical(item.record) for item in kafka)
    for folder in ("logs", "traces"):
        for path in sorted((directory / folder).glob("*")):
            yield f"{folder}/{path.name}", path.read_bytes()


async def check_privacy(
    client: Client, directory: Path, stored: Iterable[Located], kafka: Iterable[Located]
) -> Checked:
    """Look for every personal value of the demos' people in everything that may not hold one."""
    spelt = await asyncio.to_thread(lambda: spellings(values_of(directory)))
    texts = list(_texts(directory, stored, kafka))
    async with httpx.AsyncClient(trust_env=False) as http:
        for name, url in client.endpoints.services.items():
            texts.append((f"{name}/metrics", (await http.get(f"{url}/metrics")).content))
    findings = await asyncio.to_thread(_look, spelt, texts)
    size = sum(len(text) for _, text in texts)
    return Checked("六 个人信息", f"{len(set(spelt.values()))} 个值，{size / 1e6:.1f} MB", findings)


def _look(spelt: dict[bytes, str], texts: list[tuple[str, bytes]]) -> list[str]:
    return [f"{where} 中可读到个人信息（{len(hits)} 处）" for where, text in texts if (hits := found_in(spelt, text))]

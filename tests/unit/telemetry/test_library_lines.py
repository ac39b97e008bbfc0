"""What libraries log of errors says where, never what."""

import asyncio
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from shared.telemetry.logs import configure_logs

NUMBER = "310101199001011234"


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Path]:
    """Where this process's log is, as a service's would be."""
    root, handlers, level = logging.getLogger(), logging.getLogger().handlers, logging.getLogger().level
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    configure_logs("tests", descriptor)
    yield tmp_path / "log"
    root.handlers, root.level = handlers, level
    logging.getLogger("asyncio").filters.clear()
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    os.close(descriptor)


async def test_what_a_forgotten_task_failed_with_is_not_quoted(written: Path) -> None:
    async def fail() -> None:
        raise ValueError(NUMBER)

    task = asyncio.ensure_future(fail())
    await asyncio.wait([task])
    del task
    [line] = lines(written)
    assert line["event"] == "Task exception was never retrieved"
    assert line["exception"][0] == "ValueError"
    assert NUMBER not in written.read_text()


async def test_what_a_callback_was_given_is_not_quoted(written: Path) -> None:
    def fail(_: str) -> None:
        raise ValueError(NUMBER)

    asyncio.get_running_loop().call_soon(fail, NUMBER)
    await asyncio.sleep(0.01)
    [line] = lines(written)
    assert line["event"].startswith("Exception in callback")
    assert NUMBER not in written.read_text()

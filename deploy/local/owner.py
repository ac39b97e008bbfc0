"""A stack that belongs to a process, such as a run of tests, ends with it: not even `kill -9` leaves one behind.

The kernel's own word for it (see `leash`) follows the thread that started the child, and a stack's owner may be anyone.
"""

import asyncio

from deploy.local import processes

VARIABLE = "HUCHUANG_STACK_OWNER"
"""Of a supervisor's environment: whose stack it is, as `name_of` says; without, it lives on by itself."""
LOOK_SECONDS = 1.0


def name_of(pid: int) -> str:
    """What names a process that runs, and no later one with its number."""
    return f"{pid} {processes.born(pid)}"


async def until_gone(name: str) -> None:
    """Return when this process has ended."""
    pid, born = name.split()
    while True:
        if not processes.is_running(int(pid), float(born)):
            return
        await asyncio.sleep(LOOK_SECONDS)

"""SM2 stays off the event loop: it is computed in a process of its own, which comes and goes with its parent."""

import asyncio
import os
import sys
from typing import Any

import gmssl_pyx
import psutil
import pytest

from shared.web.signing import sm2
from shared.web.signing.keys import new_key
from tests.integration.loans.conftest import Bank, Loans, Start
from tests.integration.loans.test_signed_exchange import prepared, sent


async def test_sm2_is_computed_in_another_process(
    start: Start, banks: dict[str, Bank], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this one it is forbidden from here on, in any thread; and while the other computes, the loop goes on."""
    loans = await start()
    request = await prepared(banks["c"])

    def forbidden(*_: object) -> Any:
        raise AssertionError("SM2 in the process of the event loop")

    for module, name in ((sm2, "sm2_sign_sm3_digest"), (sm2, "sm2_verify_sm3_digest"), (gmssl_pyx, "sm2_sign")):
        monkeypatch.setattr(module, name, forbidden)
    assert await sent(loans, request) is None
    pid = loans.guard.scribe.desk.pid
    assert pid not in (None, os.getpid())


async def test_the_loop_turns_while_sm2_is_computed(loans: Loans) -> None:
    desk, key = loans.guard.scribe.desk, new_key("sm2-sm3", "k")
    await desk.sign(key.raw, bytes(32))
    turns = 0

    async def heart() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beating = asyncio.create_task(heart())
    signatures = await asyncio.gather(*(desk.sign(key.raw, bytes([n]) * 32) for n in range(10)))
    beating.cancel()
    assert turns > 10 * 2
    for n, signature in enumerate(signatures):
        assert sm2.sm2_verify_here(key.public.raw, bytes([n]) * 32, signature)


async def test_the_sm2_process_is_replaced_when_it_dies(loans: Loans) -> None:
    desk, key = loans.guard.scribe.desk, new_key("sm2-sm3", "k")
    await desk.sign(key.raw, bytes(32))
    first = desk.pid
    assert first is not None
    os.kill(first, 9)
    with pytest.raises(sm2.DeskGone):
        await desk.sign(key.raw, bytes(32))
    signature = await desk.sign(key.raw, bytes(32))
    assert await desk.verify(key.public.raw, bytes(32), signature)
    assert not await desk.verify(key.public.raw, bytes(32), bytes(64))
    assert not await desk.verify(key.public.raw, bytes(32), signature[:-1])
    assert desk.pid != first


async def test_the_sm2_process_ends_with_its_parent_however_that_ends() -> None:
    program = (
        "import asyncio; from shared.web.signing.sm2 import Sm2Desk\n"
        "async def main():\n"
        "    desk = Sm2Desk(); await desk.verify(bytes(64), bytes(32), bytes(64))\n"
        "    print(desk.pid, flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert psutil.Process(child).ppid() == parent.pid
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(10):
        while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.05)

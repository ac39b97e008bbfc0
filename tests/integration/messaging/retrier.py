"""A process that retries what is parked, to be killed: `python -m tests.integration.messaging.retrier DSN STREAM`.

The effect is the diary's, and understands everything.
"""

import asyncio
import sys

from shared.runtime.parts import open_pool
from shared.testing.fault_points import arm_from_environment
from tests.integration.messaging.conftest import Diary


async def main(dsn: str, stream: str) -> None:
    pool = await open_pool(dsn)
    diary = Diary(pool)
    diary.understands = set(range(1000))
    await diary.inbox.retry(stream)
    await pool.close()


if __name__ == "__main__":
    arm_from_environment()
    asyncio.run(main(*sys.argv[1:]))

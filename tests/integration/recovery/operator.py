"""An operator's command in a process of its own, which a fault point may kill.

`python -m tests.integration.recovery.operator DIR ADMIN restore FILE`, or `… reconcile`; `HUCHUANG_FAULTS` arms.
"""

import asyncio
import sys
from pathlib import Path

from deploy.local import restoring, settings
from shared.recovery.reconcile import Others, reconcile
from shared.testing.fault_points import arm_from_environment
from tests.integration.recovery.working import DEFINITION, SERVICE


async def main(directory: Path, admin: str, command: str, *arguments: str) -> None:
    stack = settings.read(directory)
    if command == "restore":
        await restoring.restore(admin, stack.databases[SERVICE], SERVICE, Path(arguments[0]))
    else:
        await reconcile(DEFINITION, stack, _nobody, await restoring.asides(stack.databases[SERVICE]))


async def _nobody(*_: object) -> Others:
    return Others([], [])


if __name__ == "__main__":
    arm_from_environment()
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))

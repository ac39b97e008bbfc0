"""`huchuang reconcile`: a log that came out of a backup gets back what was written after it."""

import asyncio
import importlib
from functools import partial
from typing import Annotated

import typer

from deploy.local import restoring, settings
from deploy.local.commands.options import DEFAULT_DATA, Data, Service
from deploy.local.failures import StackFailed
from deploy.local.others import ARCHIVE, others_of
from deploy.local.settings import SERVICES, StackSettings
from shared.eventstore.interruptions import DATABASE
from shared.recovery.reconcile import Reconciled, reconcile
from shared.recovery.tail import CannotReconcile
from shared.runtime.definition import ServiceDefinition
from shared.telemetry.errors import describe


def reconcile_command(
    service: Annotated[Service | None, typer.Argument(help="Every one that came out of a backup, if not said.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Bring back the events behind a restored backup, from Kafka, audit and the database put aside, and go on."""
    stack = settings.read(data)
    if missing := [name for name in SERVICES if name not in stack.databases]:
        raise StackFailed(
            f"these settings name no database of {', '.join(missing)}: what each has applied has to be known."
            " Run it where the settings name all six"
        )
    # Audit first: what it holds of the others has to be all that there is.
    wanted = [service.value] if service is not None else sorted(SERVICES, key=lambda name: name != ARCHIVE)
    refused = []
    for name in wanted:
        try:
            done = asyncio.run(_reconciled(stack, name))
        except CannotReconcile as cannot:
            reasons = "".join(f"\n  {reason}" for reason in cannot.reasons)
            refused.append(f"{name} cannot be reconciled, and nothing has changed:{reasons}")
        except DATABASE as error:
            refused.append(f"{name} was not reconciled ({describe(error)}): once that is mended, run it again")
        else:
            if done is not None:
                _tell(name, done)
            elif service is not None:
                print(f"{name} did not come out of a backup: there is nothing to reconcile")
    if refused:
        raise StackFailed("\n".join((*refused, _ADVICE)))


_ADVICE = """\
what helps: a broker that still has the events, audit's database of a later day, or the database that was put aside
(it is looked for under its name, see huchuang restore); else restore a younger backup and reconcile that"""


async def _reconciled(stack: StackSettings, name: str) -> Reconciled | None:
    definition: ServiceDefinition = importlib.import_module(f"services.{name}.wiring").DEFINITION
    aside = await restoring.asides(stack.databases[name])
    return await reconcile(definition, stack, partial(others_of, stack, name), aside)


def _tell(name: str, done: Reconciled) -> None:
    print(
        f"{name}: {done.brought_back} events brought back, the log ends at {done.position} again,"
        f" as {done.heads} signed heads say"
    )
    if done.aside:
        keys, destroyed, answers = done.taken
        print(f"  from the database put aside: {keys} keys, {answers} kept answers; {destroyed} keys destroyed since")
    else:
        print("  no database put aside was of use: answers kept for repeated requests of the lost time are gone")
    print(f"  {done.processes} commands of processes noted as done, {done.mended} limits and rows mended")
    if done.unreadable:
        print(f"  the keys of {done.unreadable} subjects are lost: what was taken in of them since reads as deleted")
    for note in done.notes:
        print(f"  {note}")

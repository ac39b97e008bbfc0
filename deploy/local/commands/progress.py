"""What a person sees while a stack starts: one line that changes on a terminal, one line per step elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from deploy.local.stack import Progress
from deploy.local.state import StackState


@contextmanager
def following() -> Iterator[Progress]:
    """Hand the result to `stack.up`."""
    console = Console(stderr=True)
    said: set[str] = set()

    with console.status("starting") as line:

        def show(now: StackState) -> None:
            waiting = [part.name for part in now.parts.values() if not part.ready]
            line.update(
                f"{now.step or now.phase}: waiting for {', '.join(waiting)}" if waiting else now.step or now.phase
            )
            for part in now.parts.values():
                if part.ready and part.name not in said:
                    said.add(part.name)
                    console.print(f"[green]ready[/green] {part.name:<9} {part.url}", highlight=False)
                ended = f"{part.name} {part.restarts}"
                if part.restarts and ended not in said:
                    said.add(ended)
                    console.print(f"[yellow]again[/yellow] {part.name:<9} ended with {part.last_exit}; {part.log}")

        yield show

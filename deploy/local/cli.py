"""The command `huchuang`. A command is one line in COMMANDS; its module is imported when it or the help is called."""

import importlib
import sys
from collections.abc import Callable
from typing import Any

import typer

from deploy.local.failures import StackFailed

COMMANDS = {
    "up": "deploy.local.commands.up:up",
    "down": "deploy.local.commands.down:down",
    "status": "deploy.local.commands.status:status",
    "doctor": "deploy.local.commands.doctor:doctor",
    "run": "deploy.local.commands.demo:run_command",
    "demo": "deploy.local.commands.demo:demo_command",
    "clock": "deploy.local.commands.clock:clock",
    "history": "deploy.local.commands.history:history_command",
    "verify": "deploy.local.commands.verify:verify_command",
    "rebuild": "deploy.local.commands.rebuild:rebuild",
    "backup": "deploy.local.commands.restore:backup",
    "restore": "deploy.local.commands.restore:restore_command",
    "reconcile": "deploy.local.commands.reconcile:reconcile_command",
    "parked": "deploy.local.commands.parked:parked",
    "bench": "deploy.local.commands.bench:bench",
    "serve": "deploy.local.commands.serve:serve",
    "migrate": "deploy.local.commands.setup:migrate",
    "client-key": "deploy.local.commands.setup:client_key",
    "topics": "deploy.local.commands.setup:topics",
    "render-settings": "deploy.local.commands.setup:render_settings",
}
"""Name → MODULE:OBJECT, a function with typer's annotations or a typer.Typer with commands of its own."""

FAILURE = 1


def build(names: list[str]) -> typer.Typer:
    """The application with only these commands."""
    app = typer.Typer(
        name="huchuang",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="沪创: from training certificate to paid subsidy and bankable whitelist entry.",
    )
    app.callback()(_nothing_before)
    for name in names:
        module, _, attribute = COMMANDS[name].partition(":")
        found: Any = getattr(importlib.import_module(module), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            command: Callable[..., object] = found
            app.command(name)(command)
    return app


def main() -> None:
    """Exit codes: 0 done, 1 failed, 2 called wrongly."""
    named = [name for name in sys.argv[1:2] if name in COMMANDS]
    try:
        build(named or list(COMMANDS))()
    except StackFailed as failure:
        print(f"huchuang: {failure}", file=sys.stderr)
        sys.exit(FAILURE)


def _nothing_before() -> None:
    """Makes typer keep the command's name even where there is only one."""


if __name__ == "__main__":
    main()

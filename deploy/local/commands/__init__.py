"""One module per command (or two that belong together); `deploy.local.cli.COMMANDS` names them."""

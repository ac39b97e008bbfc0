"""`python -m deploy.local.identity`: serves the provider of the stack in HUCHUANG_DIR on its loopback port."""

from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from deploy.local import settings
from deploy.local.identity.app import provider_of
from deploy.local.tokens import SandboxIssuer


def main() -> None:
    stack = settings.read()
    if stack.sign_in is None:
        raise settings.SettingsMissing("these settings name no provider")
    at = urlsplit(stack.sign_in.provider)
    app = provider_of(stack.sign_in, SandboxIssuer(Path(stack.directory) / "keys"))
    uvicorn.run(
        app, host=str(at.hostname), port=at.port or 80, access_log=False, server_header=False, log_level="warning"
    )


if __name__ == "__main__":
    main()

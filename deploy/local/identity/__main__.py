"""`python -m deploy.local.identity`: plays what stands outside of the services, on one loopback port.

That is the provider where people sign in and, beside it, the app's backend, of the stack in HUCHUANG_DIR.
"""

from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from deploy.local import settings
from deploy.local.app_backend.app import app_backend_of
from deploy.local.app_backend.place import UNDER, file_of, key_directory
from deploy.local.app_backend.received import ReceivedFile
from deploy.local.identity.app import provider_of
from deploy.local.settings import SignIn, StackSettings
from deploy.local.tokens import SandboxIssuer


def outside_of(stack: StackSettings, sign_in: SignIn) -> Starlette:
    """Both as one ASGI application: the app's backend under its path, the provider everywhere else."""
    provider = provider_of(sign_in, SandboxIssuer(Path(stack.directory) / "keys"))
    app_backend = app_backend_of(key_directory(stack), ReceivedFile(file_of(stack)))
    return Starlette(routes=[Mount(UNDER, app_backend), Mount("/", provider)])


def main() -> None:
    stack = settings.read()
    if stack.sign_in is None:
        raise settings.SettingsMissing("these settings name no provider")
    at = urlsplit(stack.sign_in.provider)
    app = outside_of(stack, stack.sign_in)
    uvicorn.run(
        app, host=str(at.hostname), port=at.port or 80, access_log=False, server_header=False, log_level="warning"
    )


if __name__ == "__main__":
    main()

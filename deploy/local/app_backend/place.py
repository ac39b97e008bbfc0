"""Where the sandbox's app backend is: its address, its keys and its file."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.failures import StackFailed
from deploy.local.ports import LOOPBACK
from deploy.local.secrets import write_private
from deploy.local.settings import StackSettings

NAME = "app-backend"
UNDER = f"/{NAME}"
WEBHOOKS = "/webhooks"


def url_of(settings: StackSettings) -> str:
    """The address at which it takes webhooks, beside the provider where people sign in. Raises StackFailed."""
    if settings.profile != "local" or settings.sign_in is None:
        raise StackFailed("this stack has no app backend: the sandbox plays it in the local profile only")
    return f"{settings.sign_in.provider}{UNDER}{WEBHOOKS}"


def is_app_backend(url: str) -> bool:
    """Whether a webhook endpoint is a sandbox's app backend, now or before its port was another."""
    parts = urlsplit(url)
    return parts.hostname == LOOPBACK and parts.path == f"{UNDER}{WEBHOOKS}"


def file_of(settings: StackSettings) -> Path:
    """What has come, a line for each webhook, repeats included."""
    return settings.keeping(NAME) / "received.jsonl"


def key_directory(settings: StackSettings) -> Path:
    return Path(settings.secrets) / NAME


def keys_in(directory: Path, endpoint_id: str = "*") -> Iterator[str]:
    """The keys under which webhooks are genuine, those of one endpoint newest first."""
    for file in sorted(directory.glob(f"{endpoint_id}.keys")):
        yield from file.read_text().split()


def add_key(directory: Path, endpoint_id: str, key: str) -> None:
    """Keep an endpoint's new key (`whsec_…` or `whpk_…`); those before stay valid beside it."""
    keys = [key, *(other for other in keys_in(directory, endpoint_id) if other != key)]
    write_private(directory / f"{endpoint_id}.keys", "".join(f"{line}\n" for line in keys).encode())

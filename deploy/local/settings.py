"""What one deployment looks like to its services: one file, DIR/stack.json, read at the start of each process.

The services find it through the environment variable HUCHUANG_DIR. It holds database passwords, hence mode 0600.
"""

import os
from datetime import datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from deploy.local.failures import StackFailed
from deploy.local.secrets import write_private
from shared.runtime.settings import CallerKind

SERVICES = ("registry", "training", "subsidy", "loans", "notify", "audit")
CLOCK_START = datetime.fromisoformat("2025-03-03T09:00:00+08:00")
AUDIENCE = "huchuang"
DIRECTORY_VARIABLE = "HUCHUANG_DIR"
FILE = "stack.json"

Profile = Literal["local", "compose"]


class SettingsMissing(StackFailed):
    """There is no readable stack.json where it should be."""


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """Whose tokens are believed, and what kind of caller it vouches for; `jwks` is a path or a URL."""

    name: str
    audience: str
    jwks: str
    vouches_for: tuple[CallerKind, ...]
    algorithms: tuple[str, ...] = ("Ed25519", "ES256")
    token_type: str | None = None
    foretells: bool = False


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """Where people sign in to the console; `console` is the console's base URL as their browsers see it."""

    provider: str
    client_id: str
    console: str
    client_secret_file: str | None = None


class StackSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Frozen settings of one stack; a container's file may hold its own service's database only."""

    profile: Profile
    directory: str
    services: dict[str, str]
    """Base URL of each service, as the other parts reach it."""
    listen: dict[str, str]
    """HOST:PORT that each service listens on."""
    databases: dict[str, str]
    """`postgresql://` DSN of each service's own database, with the role that owns it."""
    kafka: str
    issuers: tuple[Issuer, ...]
    authority: str
    """The name of the registry as the issuer of systems' tokens: the URL that its `/oauth2/token` is under."""
    audience: str = AUDIENCE
    sign_in: SignIn | None = None
    secrets: str
    """Directory of the files that only services read: master keys, signing keys."""
    data: str
    """Directory for what services keep in files, such as the archive."""
    clock_start: datetime = CLOCK_START
    """Where the movable business clock begins (local profile)."""

    def address(self, service: str) -> tuple[str, int]:
        """The host and port that `service` listens on."""
        parts = urlsplit(f"//{self.listen[service]}")
        if parts.hostname is None or parts.port is None:
            raise SettingsMissing(f"listen address of {service} is not HOST:PORT: {self.listen[service]}")
        return parts.hostname, parts.port

    def secret(self, service: str, name: str) -> Path:
        """Where `service` keeps the secret `name`; the service makes what is not there."""
        return Path(self.secrets) / service / name

    def keeping(self, service: str) -> Path:
        """The directory for what `service` keeps in files."""
        return Path(self.data) / service


def own_issuer(authority: str, registry: str) -> Issuer:
    """The registry, which vouches for systems; its keys are fetched from where it is reached."""
    return Issuer(
        name=authority,
        audience=AUDIENCE,
        jwks=f"{registry}/jwks",
        vouches_for=("system",),
        algorithms=("Ed25519",),
        token_type="at+jwt",
    )


def write(settings: StackSettings, path: Path) -> None:
    write_private(path, msgspec.json.format(msgspec.json.encode(settings)))


def read(directory: Path | None = None) -> StackSettings:
    """DIR/stack.json; DIR from HUCHUANG_DIR when not given. Raises SettingsMissing."""
    if directory is None:
        named = os.environ.get(DIRECTORY_VARIABLE)
        if not named:
            raise SettingsMissing(f"{DIRECTORY_VARIABLE} is not set: it names the directory with {FILE}")
        directory = Path(named)
    path = directory / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=StackSettings)
    except (OSError, msgspec.DecodeError) as unreadable:
        raise SettingsMissing(f"{path} cannot be read: {unreadable}; `huchuang up` writes it") from unreadable

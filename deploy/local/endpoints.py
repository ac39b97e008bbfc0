"""DIR/endpoints.json: how others reach a stack that is ready. No file, no stack to use."""

from pathlib import Path

import msgspec

from deploy.local.bank_keys import BANKS, key_file
from deploy.local.secrets import write_private
from deploy.local.settings import StackSettings

FILE = "endpoints.json"


class Endpoints(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The public surface of a running stack; the names are fixed."""

    services: dict[str, str]
    console: str
    kafka: str
    postgres: str
    """A role that may read every database and write none; the path names the first, the others are its siblings."""
    tokens: dict[str, str]
    signing_keys: dict[str, str] = {}
    """Files with the private JWKs of the sandbox's banks, by the name of their token; not in the file, beside it."""


def of(settings: StackSettings, reader: str, tokens: dict[str, str]) -> Endpoints:
    return Endpoints(
        services=dict(settings.services),
        console=f"{settings.services['audit']}/console",
        kafka=settings.kafka,
        postgres=reader,
        tokens=tokens,
    )


def write(endpoints: Endpoints, directory: Path) -> None:
    write_private(directory / FILE, msgspec.json.format(msgspec.json.encode(endpoints)))


def read(directory: Path) -> Endpoints | None:
    """None when no stack is ready there."""
    try:
        found = msgspec.json.decode((directory / FILE).read_bytes(), type=Endpoints)
    except FileNotFoundError:
        return None
    keys = {client: str(key_file(directory / "keys", client)) for client in BANKS}
    return msgspec.structs.replace(found, signing_keys=keys)


def remove(directory: Path) -> None:
    (directory / FILE).unlink(missing_ok=True)

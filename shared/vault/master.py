"""Master keys: what wraps the keys of subjects.

They are kept apart from the database, so a copy of the database opens nothing on its own. A master key that was
replaced is kept for as long as copies of the database under it may have to be restored, and is then destroyed: from
that day an erased person is erased in every older copy as well.   (个人信息保护法 art. 47, 51)
"""

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from shared.vault.boxes import Unreadable, open_bytes, seal_bytes

KEY_BYTES = 16
REFRESH_SECONDS = 2.0
"""How long a process may go on wrapping under a key that another process has replaced."""

NEW = ".new"
"""How files end that hold a secret for a moment, before they have its name."""

MARK = b"\0mk"
_NUMBER = 2
_NAME = r"{}(?:-(?P<number>[1-9]\d{{0,4}}))?{}(?:\.until-(?P<until>\d{{8}}T\d{{6}}Z))?"
_UNTIL = "%Y%m%dT%H%M%SZ"


class MasterKey(Protocol):
    """What wraps the subjects' keys: files here, an HSM where there is one. No key ever leaves it."""

    def wrap(self, key: bytes, context: str) -> bytes:
        """`key` wrapped under the current master key, whose number the result carries; bound to `context`."""
        ...

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """The inverse of `wrap`. Raises `Unreadable`, also where the master key has been destroyed."""
        ...

    def derived(self, purpose: bytes) -> bytes:
        """A key of 32 bytes for one purpose, from which no master key can be told; the same after a rotation."""
        ...

    def current(self) -> bytes:
        """How everything begins that the current key wraps."""
        ...

    def rotate(self) -> None:
        """Make a new key the current one. Every process wraps under it after `REFRESH_SECONDS` at the latest."""
        ...

    def retire(self, until: datetime) -> None:
        """Keep every other key until then, for copies of the database that may have to be restored."""
        ...

    def current_since(self) -> datetime:
        """When the current key was made, UTC."""
        ...

    def expired(self, now: datetime) -> list[bytes]:
        """How everything begins that retired keys wrap whose time is over."""
        ...

    def destroy(self, beginning: bytes) -> None:
        """Destroy a retired key, for good."""
        ...


def kept_secret(path: Path, make: Callable[[], bytes]) -> bytes:
    """The secret in a file of mode 0600, made on first use; of two processes that make it at once one wins."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=NEW, dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(make())
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(name, path)
        finally:
            Path(name).unlink()
        _sync(path.parent)  # a database must not outlive the name of the key that opens it
    return path.read_bytes()


def replaced_secret(path: Path, content: bytes) -> None:
    """Put other content in the place of a secret's, at once or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=NEW, dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FileMasterKey:
    """Master keys in files of mode 0600 beside `path`, which is the first one and is made on first use.

    `master.key` is number 1, `master-2.key` its successor; the name of a retired one says until when it is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = re.compile(_NAME.format(re.escape(path.stem), re.escape(path.suffix)))
        self._derived: dict[bytes, bytes] = {}
        self._keys: dict[int, bytes] = {}
        self._look_at = 0.0
        if not self._found():
            kept_secret(path, lambda: os.urandom(KEY_BYTES))
        self._look()

    def wrap(self, key: bytes, context: str) -> bytes:
        number = self._newest()
        return _beginning(number) + seal_bytes(self._keys[number], key, context.encode())

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        if wrapped.startswith(MARK):
            number = int.from_bytes(wrapped[len(MARK) : len(MARK) + _NUMBER])
            if number not in self._keys:
                self._look()
            if number in self._keys:
                with suppress(Unreadable):
                    return open_bytes(self._keys[number], wrapped[len(MARK) + _NUMBER :], context.encode())
        # What was wrapped before keys had numbers begins with a nonce, which may begin like a mark.
        if 1 not in self._keys:
            raise Unreadable("the master key has been destroyed")
        return open_bytes(self._keys[1], wrapped, context.encode())

    def derived(self, purpose: bytes) -> bytes:
        found = self._derived.get(purpose)
        if found is None:
            path = self._path.with_name(f"{purpose.decode()}.key")
            found = self._derived[purpose] = kept_secret(
                path, lambda: hashlib.blake2b(purpose, digest_size=32, key=self._keys[min(self._keys)]).digest()
            )
        return found

    def current(self) -> bytes:
        return _beginning(self._newest())

    def rotate(self) -> None:
        self._look()
        successor = f"{self._path.stem}-{max(self._keys) + 1}{self._path.suffix}"
        kept_secret(self._path.with_name(successor), lambda: os.urandom(KEY_BYTES))
        self._look()

    def retire(self, until: datetime) -> None:
        self._look()
        for file, number, kept_until in self._found():
            if number != max(self._keys) and kept_until is None:
                file.rename(file.with_name(f"{file.name}.until-{until.astimezone(UTC):{_UNTIL}}"))
        _sync(self._path.parent)

    def current_since(self) -> datetime:
        newest = self._newest()
        made = next(file.stat().st_mtime for file, number, _ in self._found() if number == newest)
        return datetime.fromtimestamp(made, UTC)

    def expired(self, now: datetime) -> list[bytes]:
        return [_beginning(number) for _, number, until in self._found() if until is not None and until <= now]

    def destroy(self, beginning: bytes) -> None:
        for file, number, until in self._found():
            if _beginning(number) == beginning and until is not None:
                self._destroy(file)
        _sync(self._path.parent)
        self._look()

    def _destroy(self, file: Path) -> None:
        """Under every name that it has: a process may have been killed while it gave it one."""
        with suppress(FileNotFoundError):
            inode = file.stat().st_ino
            for left in self._path.parent.glob(f".*{NEW}"):
                if left.stat().st_ino == inode:
                    left.unlink()
            file.unlink()

    def _newest(self) -> int:
        if time.monotonic() >= self._look_at:
            self._look()
        return max(self._keys)

    def _look(self) -> None:
        keys = {}
        for file, number, _ in self._found():
            with suppress(FileNotFoundError):  # renamed or destroyed at this moment
                keys[number] = file.read_bytes()
                if len(keys[number]) != KEY_BYTES:
                    raise ValueError(f"{file} is no master key: {len(keys[number])} bytes instead of {KEY_BYTES}")
        self._keys = keys or self._keys
        self._look_at = time.monotonic() + REFRESH_SECONDS

    def _found(self) -> list[tuple[Path, int, datetime | None]]:
        """The key files, their numbers, and until when retired ones are kept (UTC)."""
        if not self._path.parent.exists():
            return []
        named = [(file, self._name.fullmatch(file.name)) for file in self._path.parent.iterdir()]
        return [(file, int(match["number"] or 1), _time(match["until"])) for file, match in named if match is not None]


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.strptime(text, _UNTIL).replace(tzinfo=UTC)


def _beginning(number: int) -> bytes:
    return MARK + number.to_bytes(_NUMBER)


FIRST = _beginning(1)
"""How everything begins that the first key wraps, except what was wrapped before keys had numbers."""

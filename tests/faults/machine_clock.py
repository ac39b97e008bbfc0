"""A machine whose clock is set while it runs: libfaketime, in every program that is started with an environment."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType


def library() -> Path:
    """The shared library that programs load before all others. Raises ModuleNotFoundError."""
    found = importlib.util.find_spec("libfaketime")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("libfaketime")
    return Path(found.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"


class MachineClock:
    """The wall clock of what is started with `environment`. What measures how long something takes is left alone."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.step_to(0)

    @property
    def environment(self) -> Mapping[str, str]:
        return MappingProxyType(
            {
                "LD_PRELOAD": str(library()),
                "FAKETIME_TIMESTAMP_FILE": str(self._file),
                "FAKETIME_NO_CACHE": "1",  # else each program would notice a step at a time of its own
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1",
                "NO_FAKE_STAT": "1",
            }
        )

    def step_to(self, seconds: int) -> None:
        """Set the clock to so many seconds before (negative) or after the true time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}s\n")
        new.chmod(0o644)
        new.rename(self._file)

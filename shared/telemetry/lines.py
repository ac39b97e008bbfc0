"""Lines that are told and never insisted on: where there is no room for them, the work goes on without."""

import os
import threading


class Lines:
    """Writes whole lines to a file descriptor, as a text stream. A line that cannot be written is lost and counted.

    `lost` starts anew when lines can be written again: the first of them says how many were lost before it.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._lock = threading.Lock()
        self._torn = False
        self.lost = 0

    def write(self, text: str) -> int:
        """Write lines, each with its end."""
        return self.write_bytes(text.encode("utf-8", "backslashreplace"))

    def write_bytes(self, lines: bytes) -> int:
        with self._lock:
            before = self._before()
            try:
                written = os.write(self.descriptor, before + lines)
            except OSError:
                written = 0
            if written == len(before) + len(lines):
                self._torn, self.lost = False, 0
            else:
                self._torn |= written > 0
                self.lost += lines.count(b"\n")
        return len(lines)

    def flush(self) -> None:
        """Nothing is held back."""

    def _before(self) -> bytes:
        """What ends a line that was torn off, and says what is missing."""
        ended = b"\n" if self._torn else b""
        return ended + (b'{"event":"lines_lost","level":"error","lines":%d}\n' % self.lost if self.lost else b"")

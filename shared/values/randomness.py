"""Random bytes from the operating system, drawn in blocks: one system call for many nonces and ids."""

import os
import threading

BLOCK = 4096

_lock = threading.Lock()
_block = b""
_used = 0


def random_bytes(count: int) -> bytes:
    """`count` (at most 64) bytes fit for nonces; none is ever given out twice, also not after a fork."""
    global _block, _used
    with _lock:
        start = _used
        if start + count > len(_block):
            _block = os.urandom(BLOCK)
            start = 0
        _used = start + count
        return _block[start : start + count]


def _forget() -> None:
    global _block, _used
    _block, _used = b"", 0


os.register_at_fork(after_in_child=_forget)

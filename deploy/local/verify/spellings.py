"""Personal values as they could be written, and where a text holds one of them."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

PREFIX = 6
"""Bytes by which a text is searched; what follows is compared where they are found."""
LEAST = 6
"""A spelling of fewer bytes could stand in a random box by chance, and is not looked for."""

_FULL_WIDTH = {ascii: ascii + 0xFEE0 for ascii in range(0x21, 0x7F)}
_CUT = (0, 2, 3)
"""How many characters of Base64 the 0, 1 or 2 bytes in front of a value reach into; as many behind it, mirrored."""
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")


def spellings(value: str) -> Iterator[tuple[str, bytes]]:
    """A value in each of its spellings, with what the spelling is called (zh-CN)."""
    clear = value.encode()
    yield "明文", clear
    yield "小写", value.lower().encode()
    yield "全角", value.translate(_FULL_WIDTH).encode()
    lower = json.dumps(value)[1:-1]
    for escaped in (lower, _ESCAPE.sub(lambda match: "\\u" + match[1].upper(), lower)):
        yield "JSON 转义", escaped.encode()
        yield "JSON 转义", escaped.replace("\\", "\\\\").encode()
    for quoted in (quote(value, safe=""), quote_plus(value)):
        yield "URL 编码", quoted.encode()
        yield "URL 编码", quoted.lower().encode()
    yield "十六进制", clear.hex().encode()
    yield "十六进制", clear.hex().upper().encode()
    for encoded in _in_base64(clear):
        yield "Base64", encoded
        yield "Base64", encoded.replace(b"+", b"-").replace(b"/", b"_")


def _in_base64(clear: bytes) -> Iterator[bytes]:
    """What of a value's Base64 stays the same whatever stands around it, for each way that it can be aligned."""
    for before in range(3):
        encoded = b64encode(bytes(before) + clear)
        yield encoded[_CUT[before] : len(encoded) - _CUT[-(before + len(clear)) % 3]]


def in_gb18030(value: str) -> Iterator[tuple[str, bytes]]:
    """The spellings that no UTF-8 text can hold."""
    for form in (value, value.translate(_FULL_WIDTH)):
        if not form.isascii():
            yield "GB18030", form.encode("gb18030")


class Finder:
    """Finds many values in many texts."""

    def __init__(self, values: Iterable[str]) -> None:
        values = list(values)
        self._anywhere = _Search(form for value in values for form in spellings(value))
        self._not_utf_8 = _Search(form for value in values for form in in_gb18030(value))

    def found_in(self, text: bytes) -> set[str]:
        """What the spellings are called in which a text holds a value; never the value."""
        found = self._anywhere.found_in(text)
        return found if _is_utf_8(text) else found | self._not_utf_8.found_in(text)


def _is_utf_8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Search:
    """One regular expression for the beginnings of all spellings."""

    def __init__(self, forms: Iterable[tuple[str, bytes]]) -> None:
        self._names = {form: name for name, form in reversed(list(forms)) if len(form) >= LEAST}
        self._by_prefix: dict[bytes, list[bytes]] = {}
        for form in self._names:
            self._by_prefix.setdefault(form[:PREFIX], []).append(form)
        self._pattern = re.compile(_any_of(self._by_prefix)) if self._by_prefix else None

    def found_in(self, text: bytes) -> set[str]:
        found: set[str] = set()
        match = self._pattern.search(text) if self._pattern is not None else None
        while self._pattern is not None and match is not None:
            start = match.start()
            found.update(self._names[form] for form in self._by_prefix[match[0]] if text.startswith(form, start))
            match = self._pattern.search(text, start + 1)
        return found


def _any_of(words: Iterable[bytes]) -> bytes:
    """A regular expression for words of one length that never tries the same byte twice."""
    tree: dict[int, Any] = {}
    for word in words:
        node = tree
        for byte in word:
            node = node.setdefault(byte, {})
    return _alternatives(tree)


def _alternatives(node: dict[int, Any]) -> bytes:
    branches = [re.escape(bytes([byte])) + _alternatives(below) for byte, below in sorted(node.items())]
    return b"(?:" + b"|".join(branches) + b")" if len(branches) > 1 else b"".join(branches)

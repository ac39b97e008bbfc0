"""Error codes: `docs/errors.md` is written from the code that answers with them.

`python -m tests.contract.docs.errors` writes it anew. A code is found wherever a code and a zh-CN detail stand beside
each other in a call or a pair.
"""

import ast
import re
from collections.abc import Iterator
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from shared.web.problem import _MESSAGES

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs/errors.md"
CODE = re.compile(r"[a-z][a-z0-9]*(?:[_.][a-z0-9]+)*")
OF_FIELDS = ("FieldError", "FieldValueError", "Invalid", "invalid_field")
CONFLICT, UNAUTHENTICATED = 409, 401
HEAD = """# 错误码

出错时各服务一律以 RFC 9457 问题说明作答（`application/problem+json`）：`code` 稳定不变，可供程序判断；
`detail` 是给人看的中文说明，措辞可能改进；`errors` 逐一指出有误的字段，`pointer` 为请求体内的 JSON Pointer
（RFC 6901），或以 `query:`、`path:` 开头。同一个码无论出自哪个服务，意思都一样。

本页由代码生成（`python -m tests.contract.docs.errors`），持续集成会核对；…… 处为具体内容。
"""


class Found(NamedTuple):
    """One place that answers with a code; `status` is None for a field's code."""

    code: str
    status: int | None
    detail: str
    where: str


def found() -> list[Found]:
    """Every place there is, in order."""
    places = []
    for top in ("shared", "services"):
        for path in sorted((ROOT / top).rglob("*.py")):
            where = path.relative_to(ROOT).parts[1] if top == "services" else "共用"
            places += list(_in_tree(ast.parse(path.read_text(encoding="utf-8")), where))
    return places


def _in_tree(tree: ast.AST, where: str) -> Iterator[Found]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _in_call(node, where)
        elif isinstance(node, ast.Dict):  # from statuses to pairs, as for what the framework refuses
            for key, value in zip(node.keys, node.values, strict=True):
                pair = _pair(value.elts) if isinstance(value, ast.Tuple) else None
                if pair is not None and isinstance(key, ast.Constant) and isinstance(key.value, int):
                    yield Found(*pair[:1], key.value, pair[1], where)


def _in_call(call: ast.Call, where: str) -> Iterator[Found]:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    pair = _pair([given["code"], given["detail"]]) if {"code", "detail"} <= given.keys() else _pair(call.args)
    if pair is None:
        return
    numbers = [item.value for item in (*call.args, given.get("status")) if isinstance(item, ast.Constant)]
    status = next((number for number in numbers if isinstance(number, int)), None)
    if name == "Rejection":
        status = status or CONFLICT
    elif name == "unauthenticated":
        status = UNAUTHENTICATED
    yield Found(pair[0], None if name in OF_FIELDS else status, pair[1], where)


def _pair(items: list[ast.expr]) -> tuple[str, str] | None:
    for code, detail in pairwise(items):
        if isinstance(code, ast.Constant) and isinstance(code.value, str) and CODE.fullmatch(code.value):
            text = _text(detail)
            if re.search("[一-鿿]", text):
                return code.value, text
    return None


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return re.sub("(……)+", "……", "".join(_text(part) or "……" for part in parts))
        case ast.IfExp(body=body, orelse=other):
            return " / ".join(filter(None, (_text(body), _text(other))))
        case _:
            return ""


def document() -> str:
    """The document as the code has it now."""
    places = found()
    whole = _table(
        ("状态", "码", "说明", "出处"),
        sorted({(place.status, place.code) for place in places if place.status is not None}),
        places,
    )
    fields = _table(("码", "说明", "出处"), sorted({(None, p.code) for p in places if p.status is None}), places)
    forms = "\n".join(
        f"| `{'unknown_field' if code == 'extra_forbidden' else code}` | {re.sub('{[^}]*}', '……', text)} |"
        for code, text in sorted(_MESSAGES.items())
    )
    return (
        f"{HEAD}\n## 整个请求\n\n{whole}\n## 字段（`errors` 内）\n\n{fields}\n"
        f"## 字段的形式（`errors` 内，各服务通用）\n\n| 码 | 说明 |\n|---|---|\n{forms}\n"
    )


def _table(columns: tuple[str, ...], keys: list[tuple[int | None, str]], places: list[Found]) -> str:
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for status, code in keys:
        same = [place for place in places if (place.status, place.code) == (status, code)]
        details = "；".join(dict.fromkeys(place.detail.replace("|", "\\|") for place in same))
        where = "、".join(dict.fromkeys(place.where for place in same))
        first = [] if status is None else [f"{status} {HTTPStatus(status).phrase}"]
        lines.append(f"| {' | '.join([*first, f'`{code}`', details, where])} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")

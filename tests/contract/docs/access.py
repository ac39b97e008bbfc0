"""Who may call what: `docs/access.md` is written from what the endpoints declare.

`python -m tests.contract.docs.access` writes it anew.
"""

from pathlib import Path
from typing import Any

from tests.contract.events.tree import definitions
from tests.contract.routes.documents import SERVICES
from tests.contract.routes.test_route_contracts import operations

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/access.md"
ROLES = {
    "public": "任何人",
    "app": "app 后台",
    "bank:*": "银行",
    "carrier:*": "载体",
    "institution:*": "培训机构",
    "evaluator:*": "评价机构",
    "district:*/*": "区经办",
    "district:*/reviewer": "区审核",
    "district:*/approver": "区批准",
    "city": "市经办",
    "finance/*": "财务",
    "finance/maker": "财务制单",
    "finance/releaser": "财务放行",
    "policy": "政策起草",
    "policy/*": "政策",
    "policy/approver": "政策批准",
    "auditor": "审计",
    "ops": "运维",
    "service:*": "其他服务",
}
EVERYONE = 13
"""An endpoint that names as many kinds of callers is for whoever has signed in."""
HEAD = """# 谁可以调用什么

由代码生成（`python -m tests.contract.docs.access`），持续集成会核对；没有声明角色的接口不能启动。
角色只决定能否进门，能看到、能办理哪一件由接口再行判断：区只办本区的，银行只看推荐给自己的，
机构和载体只看自己的，app 只代表本人，审核人不能批准。

“银行签名”见 [bank-signing.md](integration/bank-signing.md)（RFC 9421）；
“提级认证”指须在十分钟内重新登录（RFC 9470）。
"""


def document() -> str:
    """The document as the code has it now."""
    parts = [HEAD]
    for service in SERVICES:
        lines = [
            f"## {definitions()[service].title}（{service}）\n",
            "| 接口 | 用途 | 谁可以 | 另须 |",
            "|---|---|---|---|",
        ]
        for method, path, operation in operations(service):
            lines.append(
                f"| `{method.upper()} {path}` | {operation['summary']} | {_who(operation)} | {_also(operation)} |"
            )
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _who(operation: dict[str, Any]) -> str:
    roles = operation.get("x-roles", ["public"])
    if len(roles) >= EVERYONE:
        return "任何已登录者"
    return "、".join(ROLES.get(role, f"`{role}`") for role in roles)


def _also(operation: dict[str, Any]) -> str:
    needs = [name for key, name in (("x-signed", "银行签名"), ("x-step-up", "提级认证")) if key in operation]
    return "、".join(needs)


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")

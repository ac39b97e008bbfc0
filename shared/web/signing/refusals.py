"""Why a signed message is not believed: stable codes, each with one text, whatever was wrong in detail."""

from typing import Literal, NamedTuple

Code = Literal[
    "signature_missing",
    "signature_invalid",
    "signature_expired",
    "signature_replayed",
    "digest_mismatch",
    "signature_key_unknown",
    "signature_weak",
]


class Answered(NamedTuple):
    """How a refusal is answered: the code, its one text, the status."""

    code: Code
    detail: str
    status: int


ANSWERS = (
    Answered("signature_missing", "缺少报文签名：请按 RFC 9421 签名后再发送", 401),
    Answered("signature_invalid", "报文签名无效", 401),
    Answered("signature_expired", "报文签名不在有效时间内", 401),
    Answered("signature_replayed", "报文签名的 nonce 已使用过", 401),
    Answered("digest_mismatch", "Content-Digest 与报文内容不符", 401),
    Answered("signature_key_unknown", "没有可用于验签的密钥：未登记、已撤销、已停用或不属于调用方", 401),
    Answered("signature_weak", "报文签名不满足要求：缺少必须覆盖的部分或参数，或算法不被接受", 401),
)
DETAILS: dict[Code, str] = {answer.code: answer.detail for answer in ANSWERS}


class Refused(Exception):
    """A message whose signature is not accepted. `code` is all that its sender is told."""

    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.code: Code = code
        self.detail = DETAILS[code]

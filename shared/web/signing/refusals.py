"""Why a signed message is not believed: stable codes, each with one text, whatever was wrong in detail."""

from typing import Literal

Code = Literal[
    "signature_missing",
    "signature_invalid",
    "signature_expired",
    "signature_replayed",
    "digest_mismatch",
    "signature_key_unknown",
    "signature_weak",
]

DETAILS: dict[Code, str] = {
    "signature_missing": "缺少报文签名：请按 RFC 9421 签名后再发送",
    "signature_invalid": "报文签名无效",
    "signature_expired": "报文签名不在有效时间内",
    "signature_replayed": "报文签名的 nonce 已使用过",
    "digest_mismatch": "Content-Digest 与报文内容不符",
    "signature_key_unknown": "没有可用于验签的密钥：未登记、已撤销、已停用或不属于调用方",
    "signature_weak": "报文签名不满足要求：缺少必须覆盖的部分或参数，或算法不被接受",
}


class Refused(Exception):
    """A message whose signature is not accepted. `code` is all that its sender is told."""

    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.code: Code = code
        self.detail = DETAILS[code]

"""Public keys as partners hand them in: JWKs (RFC 7517, RFC 8037) of three algorithms, points of their curves."""

import base64
import binascii
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from services.registry.domain.client import KeyAlgorithm
from shared.web.problem import FieldValueError, Problem, invalid_field
from shared.web.routes import Body

BYTES = 32


class Curve(NamedTuple):
    """y² = x³ + ax + b modulo p."""

    p: int
    a: int
    b: int

    def holds(self, x: int, y: int) -> bool:
        inside = 0 <= x < self.p and 0 <= y < self.p
        return inside and (y * y - (x**3 + self.a * x + self.b)) % self.p == 0


P256 = Curve(
    p := 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
    p - 3,
    0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
)
"""FIPS 186-5; the order is prime, so every point of it is a strong key."""
SM2 = Curve(
    p := 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF,
    p - 3,
    0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93,
)
"""GB/T 32918.5; the order is prime."""

ED25519_P = 2**255 - 19
ED25519_D = -121665 * pow(121666, -1, ED25519_P) % ED25519_P
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
ED25519_WEAK = frozenset({0, 1, ED25519_P - 1, _ORDER_8, ED25519_P - _ORDER_8})
"""The y of the eight points of small order, under which signatures can be made without a private key."""


def coordinate(text: str) -> int:
    """The 32 bytes of base64url without padding (RFC 7515), big-endian. Raises ValueError."""
    return int.from_bytes(_octets(text), "big")


def _octets(text: str) -> bytes:
    octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if len(octets) != BYTES or base64.urlsafe_b64encode(octets).rstrip(b"=").decode() != text:
        raise ValueError("not 32 bytes in their one form")
    return octets


def _is_strong_ed25519(octets: bytes) -> bool:
    """A point of the curve (RFC 8032 section 5.1.3) that is not of small order."""
    y = int.from_bytes(octets, "little") & ((1 << 255) - 1)
    if y >= ED25519_P or y in ED25519_WEAK:
        return False
    square = (y * y - 1) * pow(ED25519_D * y * y + 1, -1, ED25519_P) % ED25519_P
    return pow(square, (ED25519_P - 1) // 2, ED25519_P) == 1


def _encoded(text: str) -> str:
    try:
        _octets(text)
    except (ValueError, binascii.Error):
        raise FieldValueError("key.encoding", "应为 32 字节的 base64url（无填充）") from None
    return text


def _private(_: object) -> None:
    raise FieldValueError("key.private", "这是私钥内容，只应提交公钥；请废弃这个密钥并重新生成")


X = Annotated[
    str,
    Field(max_length=64, examples=["axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY"]),
    AfterValidator(_encoded),
]
Y = Annotated[
    str,
    Field(max_length=64, examples=["T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"]),
    AfterValidator(_encoded),
]
Kid = Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,128}$", examples=["2025-03-token-1"])]
Private = Annotated[Any, BeforeValidator(_private)]


def _without_private(schema: dict[str, Any]) -> None:
    for name in ("d", "k"):
        del schema["properties"][name]


class PublicKey(Body):
    """The public members of a JWK. Private members are named so that whoever sends one is told what it means."""

    model_config = ConfigDict(json_schema_extra=_without_private)

    kty: Literal["EC", "OKP"]
    crv: Literal["P-256", "Ed25519", "SM2"]
    x: X
    y: Y | None = None
    kid: Kid
    alg: Literal["ES256", "Ed25519", "EdDSA", "SM2"] | None = None
    use: Literal["sig"] | None = None
    d: Private = None
    k: Private = None

    @property
    def algorithm(self) -> KeyAlgorithm:
        names: dict[str, KeyAlgorithm] = {"Ed25519": "Ed25519", "P-256": "ES256", "SM2": "SM2"}
        return names[self.crv]

    def jwk(self) -> dict[str, str]:
        """What is kept of it: what makes the key, and its name."""
        members = {"kty": self.kty, "crv": self.crv, "x": self.x, "y": self.y, "kid": self.kid}
        return {name: value for name, value in members.items() if value is not None}

    def checked(self, pointer: str) -> Self:
        """Itself when it is a strong key of its curve. Raises a 422 that names the field."""
        if (self.crv == "Ed25519") != (self.kty == "OKP"):
            raise invalid_field(f"{pointer}/kty", "key.kty", "kty 与 crv 不符：Ed25519 用 OKP，P-256 和 SM2 用 EC")
        if self.alg not in (None, self.algorithm, "EdDSA" if self.kty == "OKP" else None):
            raise invalid_field(f"{pointer}/alg", "key.algorithm", "alg 与 crv 不符")
        if self.kty == "OKP":
            return self._checked_okp(pointer)
        if self.y is None:
            raise invalid_field(f"{pointer}/y", "missing", "缺少必填字段")
        curve = P256 if self.crv == "P-256" else SM2
        if not curve.holds(coordinate(self.x), coordinate(self.y)):
            raise _weak(f"{pointer}/x")
        return self

    def _checked_okp(self, pointer: str) -> Self:
        if self.y is not None:
            raise invalid_field(f"{pointer}/y", "unknown_field", "Ed25519 公钥没有 y")
        if not _is_strong_ed25519(_octets(self.x)):
            raise _weak(f"{pointer}/x")
        return self


def _weak(pointer: str) -> Problem:
    return invalid_field(pointer, "key.weak", "不是这条曲线上可用的公钥，请重新生成")

"""How the replacement of signing keys is asked for, of tokens and of messages alike."""

from typing import Annotated

import msgspec
from pydantic import Field

from shared.web.fields import Text
from shared.web.problem import invalid_field
from shared.web.routes import Body

DESCRIPTION = (
    "不填或 `at_once` 为 false：新旧并行，新密钥先公布、后启用。`at_once` 为 true（密钥泄露时）：旧密钥立即撤下、"
    "不再公布，用它签的一律不再采信，新密钥立即启用，须写明 `reason`。两者都留痕。"
)

OPTIONAL = {"requestBody": {"required": False}}
"""What the API document says of the body: for `openapi_extra`."""


class Rotation(Body):
    at_once: Annotated[bool, Field(strict=True, description="立即撤下旧密钥（密钥泄露时）")] = False
    reason: Annotated[Text | None, Field(description="立即撤下的原因，不得含个人信息")] = None

    def checked(self) -> "Rotation":
        """Itself. Raises a 422 where keys are withdrawn and nobody says why."""
        if self.at_once and self.reason is None:
            raise invalid_field("/reason", "missing", "立即撤下密钥须写明原因")
        return self


class Published(msgspec.Struct, frozen=True):
    """The key ids that are published now."""

    published: tuple[str, ...]

"""Invalid: the answer of a validator to input that cannot be what it should be."""

import msgspec


class Invalid(msgspec.Struct, frozen=True):
    """Why a text is not a valid value.

    `code` is stable and part of the public contract (`<value>.<reason>`); `message` is zh-CN, for the person who typed
    it, says what to do, and never repeats the input, which may be personal.
    """

    code: str
    message: str

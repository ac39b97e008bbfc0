"""Sex: GB/T 2261.1 codes."""

from enum import StrEnum


class Sex(StrEnum):
    """GB/T 2261.1; the value is the code, `zh` its name."""

    UNKNOWN = "0"
    MALE = "1"
    FEMALE = "2"
    UNSTATED = "9"

    @property
    def zh(self) -> str:
        """The standard's name, zh-CN."""
        return {"0": "未知的性别", "1": "男性", "2": "女性", "9": "未说明的性别"}[self.value]

"""What a check says: how much it looked at, and what it found wrong."""

from typing import NamedTuple


class Checked(NamedTuple):
    """`looked_at` says how much was checked, so that an empty check cannot pass for a good one."""

    name: str
    looked_at: str
    findings: list[str]

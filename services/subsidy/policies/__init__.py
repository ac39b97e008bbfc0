"""The policy versions that ship with the project, one file each: data, read by people as well as by the program."""

from importlib import resources
from typing import Final

import msgspec

from services.subsidy.domain.policy_version import PolicyVersion


def shipped() -> tuple[PolicyVersion, ...]:
    """The versions of all files, by file name. Raises `msgspec.ValidationError` for what is not in the vocabulary."""
    files = sorted(resources.files(__name__).iterdir(), key=lambda file: file.name)
    return tuple(
        msgspec.json.decode(file.read_bytes(), type=PolicyVersion) for file in files if file.name.endswith(".json")
    )


SHIPPED: Final = {version.programme: version for version in shipped()}
"""Programmes of which claims are taken, and held, before any of their versions is in force; and what is asked for."""

"""The templates that ship with this version of the project."""

from functools import cache
from importlib import resources

import msgspec

from services.notify.domain.template import Catalogue, Template


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    templates: list[Template]
    words: dict[str, str]


@cache
def catalogue() -> Catalogue:
    """What `messages.json` says."""
    file = msgspec.json.decode(resources.files(__package__).joinpath("messages.json").read_bytes(), type=_File)
    return Catalogue({template.name: template for template in file.templates}, file.words)

"""Fields, filters and callers of this service's requests, beside those that all services share."""

from typing import Annotated

from fastapi import Request
from pydantic import AfterValidator, Field

from shared.values.ids import parse_id
from shared.values.rejected import Invalid
from shared.web.caller import caller_of
from shared.web.command import unknown
from shared.web.problem import Problem, of_rejection

PartyCode = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", examples=["demo-a"])]
"""What a role names: `demo-a` in `bank:demo-a`."""


def _in_path(prefix: str, what: str) -> AfterValidator:
    def check(text: str) -> str:
        if isinstance(parse_id(prefix, text), Invalid):
            raise of_rejection(unknown(what))
        return text

    return AfterValidator(check)


# An id in a path that is of another kind leads nowhere: 404, before any stream of another kind is folded.
BatchPath = Annotated[str, _in_path("wlb", "推荐批次")]
EntryPath = Annotated[str, _in_path("wle", "白名单记录")]
SnapshotPath = Annotated[str, _in_path("wls", "白名单快照")]


def acting_for(request: Request, kind: str) -> str:
    """The one bank or carrier that the caller acts for. Raises a 403 when its token names several or none."""
    codes = caller_of(request).named(kind)
    if len(codes) != 1:
        raise Problem(403, "one_party_only", "登录凭证须只代表一家机构")
    return codes[0]


def facets(**chosen: str | None) -> list[str]:
    """The filters that a query names, as facets of a listing."""
    return [f"{name}:{value}" for name, value in chosen.items() if value is not None]


def own_facets(request: Request) -> list[str]:
    """What limits a list to what is the caller's own; empty for the city and the auditor, who see all."""
    caller = caller_of(request)
    if caller.holds("city") or caller.holds("auditor"):
        return []
    for kind in ("bank", "carrier", "district"):
        if caller.named(kind):
            return [f"{kind}:{acting_for(request, kind)}"]
    raise Problem(403, "not_allowed", "当前身份无权使用此接口")

"""Fields and filters of this service's requests, beside those that all services share."""

from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, Field

from shared.values.ids import parse_id
from shared.values.rejected import Invalid
from shared.web.command import unknown
from shared.web.problem import of_rejection

PartyCode = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", examples=["demo-1"])]
"""What a role names: `demo-a` in `bank:demo-a`. No `/`, which separates a role's part, and no pattern signs."""


def _in_path(prefix: str, what: str) -> AfterValidator:
    def check(text: str) -> str:
        if isinstance(parse_id(prefix, text), Invalid):
            raise of_rejection(unknown(what))
        return text

    return AfterValidator(check)


# An id in a path that is of another kind leads nowhere: 404, before any stream of another kind is folded.
PersonPath = Annotated[str, _in_path("per", "人员")]
ConsentPath = Annotated[str, _in_path("con", "授权")]
OrganisationPath = Annotated[str, _in_path("org", "组织")]
InstitutionPath = Annotated[str, _in_path("ins", "培训机构")]
CarrierPath = Annotated[str, _in_path("car", "载体")]
BankPath = Annotated[str, _in_path("bnk", "银行")]
ClientPath = Annotated[str, _in_path("cli", "客户端")]

Filter = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._/-]{1,100}$")]
"""A filter of a list: a code or an id."""


def facets(**chosen: str | None) -> list[str]:
    """The filters that a query names, as facets of a listing."""
    return [f"{name}:{value}" for name, value in chosen.items() if value is not None]

"""Fields and filters of this service's requests, beside those that all services share."""

import re
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, Field

from shared.values.districts import District
from shared.values.ids import parse_id
from shared.values.rejected import Invalid
from shared.web.caller import Caller
from shared.web.command import unknown
from shared.web.problem import FieldValueError, of_rejection

PartyCode = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", examples=["demo-1"])]
"""What a role names: `demo-1` in `evaluator:demo-1`. No `/`, which separates a role's part, and no pattern signs."""


def _organiser(text: str) -> str:
    if text != "city" and text not in {district.value for district in District}:
        raise FieldValueError("organiser.unknown", "主办方须为 city（市就业促进中心）或本市一个区的区划代码")
    return text


Organiser = Annotated[str, AfterValidator(_organiser), Field(examples=["city", "310115"])]


_NUMBER = re.compile(r"SH[0-9]{4}-[A-Z0-9]{1,32}-[0-9]{6,9}", re.ASCII)


def _number(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise of_rejection(unknown("证书"))
    return text


NumberPath = Annotated[str, AfterValidator(_number)]
"""A certificate's number in a path; what cannot be one leads nowhere: 404."""


def _in_path(prefix: str, what: str) -> AfterValidator:
    def check(text: str) -> str:
        if isinstance(parse_id(prefix, text), Invalid):
            raise of_rejection(unknown(what))
        return text

    return AfterValidator(check)


# An id in a path that is of another kind leads nowhere: 404, before any stream of another kind is folded.
EvaluatorPath = Annotated[str, _in_path("evb", "评价机构")]
ProjectPath = Annotated[str, _in_path("prj", "培训项目")]
ClassPath = Annotated[str, _in_path("cls", "班级")]

Filter = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._/-]{1,100}$")]
"""A filter of a list: a code or an id."""


def facets(**chosen: str | None) -> list[str]:
    """The filters that a query names, as facets of a listing."""
    return [f"{name}:{value}" for name, value in chosen.items() if value is not None]


SEE_ALL = ("app", "city", "auditor", "ops", "service:*")


def sees(caller: Caller, **owners: str) -> bool:
    """Whether a caller may see what belongs to `owners`, such as `institution="demo-1"`."""
    return any(map(caller.holds, SEE_ALL)) or any(name in caller.named(kind) for kind, name in owners.items())


def own(caller: Caller, *kinds: str) -> list[str]:
    """The facet that keeps a list to what is the caller's own; none for those who see all."""
    if any(map(caller.holds, SEE_ALL)):
        return []
    return next(([f"{kind}:{names[0]}"] for kind in kinds if (names := caller.named(kind))), [])


def evaluator_of(caller: Caller) -> str:
    """The code of the evaluator that the caller is."""
    return caller.named("evaluator")[0]

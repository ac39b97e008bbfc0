"""On whose behalf the app acts: where it names the person who is using it, it may act for nobody else."""

from typing import Annotated

from fastapi import Header, Request

from shared.eventstore.decider import Rejection
from shared.web.caller import caller_of
from shared.web.fields import PersonRef
from shared.web.problem import of_rejection

OnBehalfOf = Annotated[PersonRef | None, Header(alias="On-Behalf-Of", description="app 当前登录用户的人员编号")]


def acting_for(request: Request, behalf: str | None) -> str | None:
    """Whom the app says that it acts for; what others say is not heard."""
    return behalf if caller_of(request).holds("app") else None


def not_theirs(request: Request, behalf: str | None, person_id: str) -> Rejection | None:
    """The rejection of an app that acts for `behalf` on what is another person's."""
    if acting_for(request, behalf) in (None, person_id):
        return None
    return Rejection(code="not_the_claimant", detail="只能代表本人办理", status=403)


def ensure_theirs(request: Request, person_id: str | None) -> None:
    """Raises a 403 for an app that names, in `On-Behalf-Of`, somebody else than the person whom this is about."""
    refusal = not_theirs(request, request.headers.get("on-behalf-of"), person_id or "")
    if refusal is not None:
        raise of_rejection(refusal)

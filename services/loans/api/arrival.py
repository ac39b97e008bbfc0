"""Facts of a batch that have not arrived yet: never a false "unknown", never an endless "try again"."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from fastapi import Request

from services.loans.intake.facts import (
    BankFact,
    CarrierFact,
    CertificateFact,
    ConsentFact,
    OrganisationFact,
    PersonFact,
)
from shared.eventstore.needs import Fact, Needs, fact_of
from shared.web.command import store_of
from shared.web.facts import PATIENCE, ensure_known
from shared.web.peers import PeerUnavailable
from shared.web.problem import Problem, invalid_field

LISTING_PAUSE = 0.2


class Named(NamedTuple):
    """An id or code, and where in the request it stands."""

    kind: type[Fact]
    key: str
    pointer: str
    person_id: str = ""
    """Whose consent it is said to be."""


async def ensure_arrived(request: Request, named: Sequence[Named]) -> None:
    """Return once all facts are here. Raises a 422 about the first that its owner does not know, a 503 in between."""
    work = await store_of(request).look(Needs(facts=tuple(fact_of(item.kind, item.key) for item in named)))
    for item in named:
        if work.fact(item.kind, item.key) is None:
            await _ensure(request, item)


async def _ensure(request: Request, item: Named) -> None:
    key = quote(item.key, safe="")
    if item.kind is PersonFact:
        await _known(request, item, "registry", f"/v1/persons/{key}", "人员")
    elif item.kind is OrganisationFact:
        await _known(request, item, "registry", f"/v1/organisations/{key}", "组织")
    elif item.kind is CertificateFact:
        await _known(request, item, "training", f"/v1/certificates/{key}", "证书")
    elif item.kind is ConsentFact:
        await _ensure_consent(request, item)
    elif item.kind is CarrierFact:
        await _known(request, item, "registry", f"/v1/carriers?code={key}", "载体")
    elif item.kind is BankFact:
        await _ensure_bank(request, item, f"/v1/banks?code={key}")


async def _known(request: Request, item: Named, owner: str, path: str, what: str) -> None:
    await ensure_known(request, item.kind, item.key, owner=owner, path=path, pointer=item.pointer, what=what)


async def _ensure_consent(request: Request, item: Named) -> None:
    """A consent is part of its person; registry shows a person from the fold, so what is missing there is unknown."""
    path = f"/v1/persons/{item.person_id}"
    person = await _asked(request, path, "授权")
    if person is None or all(consent["id"] != item.key for consent in person["consents"]):
        raise invalid_field(item.pointer, "unknown_id", "没有找到此人的这项授权")
    await _known(request, item, "registry", path, "授权")


async def _ensure_bank(request: Request, item: Named, path: str) -> None:
    """Registry finds a bank by its code in a list, which may be a moment behind: it is asked until patience ends."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not (await _asked(request, path, "银行") or {}).get("items"):
        if asyncio.get_running_loop().time() > deadline:
            raise invalid_field(item.pointer, "unknown_id", "没有找到这家银行")
        await asyncio.sleep(LISTING_PAUSE)
    await _known(request, item, "registry", path, "银行")


async def _asked(request: Request, path: str, what: str) -> Any | None:
    try:
        return await request.app.state.peers.get("registry", path)
    except PeerUnavailable:
        detail = f"{what}的登记信息尚未到达，请稍后重试"
        raise Problem(503, "fact_pending", detail, headers={"Retry-After": "2"}) from None

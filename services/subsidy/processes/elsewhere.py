"""What happens elsewhere while a claim is open: revocations, deaths and deregistrations hold it, erasures are followed.

Each of these facts is also asked for again at approval and at release, so a claim that a process has not come to yet
is not paid.
"""

from collections.abc import Sequence
from functools import partial

import msgspec

from services.subsidy.domain.claim import CERTIFICATE, ENTITLEMENT
from services.subsidy.domain.claim_decisions import HoldClaim
from services.subsidy.intake.facts import CertificateRevoked, OrganisationDeregistered, PersonDied, PersonErased
from services.subsidy.processes.parts import DONE, Outside, carried
from shared.eventstore.decider import Rejection
from shared.eventstore.interruptions import AskLater
from shared.eventstore.listing import read_page, shows_what_is_there
from shared.eventstore.needs import Needs
from shared.eventstore.process import Ask, Command, Process, Reaction
from shared.eventstore.record import Record
from shared.eventstore.work import Answer, Work

MOST_CLAIMS = 200
"""How many claims one organisation can have open: its partners are not so many."""
LISTED_WITHIN = 5.0


def _certificate_revoked(record: Record) -> Sequence[Reaction]:
    """A revoked certificate holds its claim until a person decides.   (B-32)"""
    event = msgspec.json.decode(record.payload, type=CertificateRevoked)

    def handle(work: Work) -> Answer | Rejection:
        claim_id = work.holder(CERTIFICATE, event.number)
        if claim_id is None:
            return DONE
        work.require(claim_id)
        hold = HoldClaim("certificate_revoked", event.revoked_on, "审核区对证书撤销作出处理")
        return carried(work, claim_id, hold)

    return (Command(needs=Needs(unique=((CERTIFICATE, event.number),)), handler=handle),)


REVOCATION = Process(
    name="certificate-revocation", on=frozenset({"training.CertificateRevoked.v1"}), react=_certificate_revoked
)


def _holding(claims: Sequence[str], hold: HoldClaim) -> Command | None:
    def handle(work: Work) -> Answer | Rejection:
        for claim_id in claims:
            carried(work, claim_id, hold)
        return DONE

    return Command(needs=Needs(streams=tuple(claims)), handler=handle) if claims else None


def _person_died(record: Record) -> Sequence[Reaction]:
    return (Ask(ask=partial(_hold_for_death, msgspec.json.decode(record.payload, type=PersonDied))),)


async def _hold_for_death(event: PersonDied, outside: Outside) -> Command | None:
    """Every claim that stands has taken its person's entitlement, so none is missed."""
    claims = await outside.store.holders_under(ENTITLEMENT, f"{event.person_id}/")
    return _holding(claims, HoldClaim("death", event.died_on, "审核区核实继承与发放事宜"))


DEATH = Process(name="death", on=frozenset({"registry.PersonDied.v1"}), react=_person_died)


def _deregistered(record: Record) -> Sequence[Reaction]:
    event = msgspec.json.decode(record.payload, type=OrganisationDeregistered)
    return (Ask(ask=partial(_hold_for_deregistration, event)),)


async def _hold_for_deregistration(event: OrganisationDeregistered, outside: Outside) -> Command | None:
    pool = outside.store.pool
    if not await shows_what_is_there(pool, LISTED_WITHIN):
        raise AskLater("the list of claims has not caught up")
    found = await read_page(pool, "claim", [f"organisation:{event.organisation_id}"], None, MOST_CLAIMS)
    claims = [msgspec.json.decode(item)["id"] for item in found.items]
    return _holding(claims, HoldClaim("deregistration", event.deregistered_on, "审核区核实组织注销情况"))


DEREGISTRATION = Process(
    name="deregistration", on=frozenset({"registry.OrganisationDeregistered.v1"}), react=_deregistered
)

# -- erasure: what registry has erased is unreadable here as well (个人信息保护法 art. 47) --------------------------


def _person_erased(record: Record) -> Sequence[Reaction]:
    event = msgspec.json.decode(record.payload, type=PersonErased)
    return (Ask(ask=partial(_destroy_key, event.person_id)),)


async def _destroy_key(person_id: str, outside: Outside) -> None:
    await outside.store.erase(person_id)


ERASURE = Process(name="erasure", on=frozenset({"registry.PersonErased.v1"}), react=_person_erased)

PROCESSES = (REVOCATION, DEATH, DEREGISTRATION, ERASURE)

"""What a claim has in common with others is noted when it is submitted, and its account when that is corrected.

Of what was submitted before this was kept nothing is known: like every process, this one is not replayed.
"""

from collections.abc import Sequence
from functools import partial

import msgspec

from services.subsidy.domain.claim_events import ClaimCorrected, ClaimSubmitted, PayeeAccount
from services.subsidy.intake.facts import PersonErased
from services.subsidy.processes.parts import OWN, Outside
from shared.eventstore.process import Ask, Process, Reaction
from shared.eventstore.record import Record, tag_of
from shared.values.personal import REDACTED, Sealed

_SUBMITTED = (
    "insert into claim_link (claim, person, institution, submitted_on, account) values ($1, $2, $3, $4, $5)"
    " on conflict (claim) do nothing"
)


def _link(record: Record) -> Sequence[Reaction]:
    return (Ask(ask=partial(_note, record)),)


async def _note(record: Record, outside: Outside) -> None:
    event = OWN.decode(record.type, record.payload)
    if isinstance(event, ClaimSubmitted):
        account = await _account(record, event.payee, outside)
        await outside.store.pool.execute(
            _SUBMITTED, record.stream, event.person_id, event.institution_id, event.submitted_on, account
        )
    elif isinstance(event, ClaimCorrected):
        account = await _account(record, event.payee, outside)
        await outside.store.pool.execute("update claim_link set account = $2 where claim = $1", record.stream, account)


async def _account(record: Record, payee: PayeeAccount, outside: Outside) -> bytes | None:
    number = payee.number
    assert isinstance(number, Sealed)
    clear = (await outside.store.disclose([(record.id, number)]))[0]
    return None if clear is REDACTED else outside.accounts.key(str(clear))


LINKS = Process(name="claim-links", on=frozenset({tag_of(ClaimSubmitted), tag_of(ClaimCorrected)}), react=_link)


def _erased(record: Record) -> Sequence[Reaction]:
    return (Ask(ask=partial(_forget, msgspec.json.decode(record.payload, type=PersonErased).person_id)),)


async def _forget(person_id: str, outside: Outside) -> None:
    await outside.store.pool.execute("update claim_link set account = null where person = $1", person_id)


FORGETTING = Process(name="claim-links-erasure", on=frozenset({"registry.PersonErased.v1"}), react=_erased)

PROCESSES = (LINKS, FORGETTING)

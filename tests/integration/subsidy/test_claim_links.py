"""An account is known by its keyed hash alone, in a row that an erasure empties."""

from pathlib import Path
from typing import Any

from services.subsidy.accounts import AccountIndex
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_events import ClaimCorrected, PayeeAccount
from services.subsidy.processes.links import LINKS, _forget
from services.subsidy.processes.parts import Outside
from shared.eventstore.process import Ask
from shared.values.ids import ClaimId
from shared.values.personal import Clear
from tests.integration.places import Place
from tests.integration.subsidy.test_claim_snapshots import put
from tests.unit.subsidy.samples import TODAY, submission

NUMBER, OTHER = "4111111111111111", "5500005555555559"


def payee(person: str, number: str) -> PayeeAccount:
    return PayeeAccount("bank_account", Clear(person, "陆一"), Clear(person, number), "银行")


async def put_claim(place: Place, number: int, account: str) -> None:
    claim, person = ClaimId(f"clm_{number}"), f"per_{number}"
    own = submission(
        claim_id=claim, person_id=person, certificate_no=f"SH-{number}", payee=payee(person, account)
    )  # fmt: skip
    await put(place, CLAIM, claim, [own])


async def linked(place: Place, outside: Outside) -> dict[str, bytes | None]:
    """The accounts of claims, after the process has seen the whole log."""
    await place.sequence()
    for item in await place.reader.read(0):
        if item.record.type in LINKS.on:
            for reaction in LINKS.react(item.record):
                assert isinstance(reaction, Ask)
                await reaction.ask(outside)
    return {row["claim"]: row["account"] for row in await place.pool.fetch("select claim, account from claim_link")}


async def test_claims_that_name_one_account_are_told_by_a_hash_that_goes_with_the_person(
    place: Place, tmp_path: Path
) -> None:
    nobody: Any = None
    outside = Outside(place.store, nobody, nobody, AccountIndex(tmp_path / "account-index.key"))
    await put_claim(place, 1, NUMBER)
    await put_claim(place, 2, NUMBER)
    await put_claim(place, 3, OTHER)
    accounts = await linked(place, outside)
    assert accounts["clm_1"] == accounts["clm_2"] != accounts["clm_3"]
    kept = str(await place.pool.fetch("select * from claim_link"))
    assert NUMBER not in kept
    await put(place, CLAIM, "clm_2", [ClaimCorrected(payee("per_2", OTHER), TODAY)])
    changed = await linked(place, outside)
    assert changed["clm_2"] == changed["clm_3"] != changed["clm_1"]
    await _forget("per_3", outside)
    assert await place.pool.fetchval("select account from claim_link where claim = 'clm_3'") is None

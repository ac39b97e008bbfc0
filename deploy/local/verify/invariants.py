"""The invariants that are about claims, money and whitelists, computed from the events alone."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from deploy.local.client import Client
from deploy.local.histories import compare
from deploy.local.verify.findings import Checked
from services.audit.archive.history import Located

FREED = ("subsidy.ClaimRejected.v1", "subsidy.ClaimWithdrawn.v1")
ENDED = ("paid", "rejected", "withdrawn", "recovered")
WAITING_FOR = {
    "submitted": "审核区审核人",
    "correction_requested": "申请人补正",
    "under_review": "审核区批准人",
    "approved": "审核区发布公示",
    "in_public_notice": "公示期满",
    "payable": "财务制作发放批次",
    "payment_ordered": "银行结果",
    "payment_unknown": "银行凭证",
    "payment_returned": "申请人更正账户",
    "recovering": "申请人退回款项",
}


class Told(msgspec.Struct):
    """A claim as the money sees it. `entitlement` is what its person may have once, the programme included.

    `paid_by`: the batches whose orders are paid and did not come back; `most_paid`: how many there ever were at once.
    """

    certificate: str | None
    person: str
    programme: str
    entitlement: str
    freed: bool = False
    place_freed: bool = False
    places: int = 3
    paid_by: set[str] = set()
    most_paid: int = 0
    committed: dict[str, Decimal] = {}

    @property
    def paid(self) -> int:
        return len(self.paid_by)


def _claims(records: Iterable[Located]) -> dict[str, Told]:
    claims: dict[str, Told] = {}
    for item in sorted(records, key=lambda item: item.position):
        record = item.record
        if not record.stream.startswith("clm_"):
            continue
        event: dict[str, Any] = msgspec.json.decode(record.payload)
        match record.type:
            case "subsidy.ClaimSubmitted.v1" | "subsidy.ClaimSubmitted.v2":
                programme = event["programme"]
                entitlement = event.get("entitlement") or f"{programme}/{event['project_id']}"
                claims[record.stream] = Told(event.get("certificate_no"), event["person_id"], programme, entitlement)
            case "subsidy.ClaimScreened.v1" | "subsidy.ClaimScreened.v2" | "subsidy.ClaimRescreened.v1":
                claims[record.stream].places = event["places"]
            case "subsidy.ClaimApproved.v1":
                claims[record.stream].committed = {event["budget_line"]: Decimal(event["amount"])}
            case "subsidy.ClaimPaid.v1":
                claim = claims[record.stream]
                claim.paid_by.add(event["batch_id"])
                claim.most_paid = max(claim.most_paid, claim.paid)
            case "subsidy.PaymentReturned.v1":
                claims[record.stream].paid_by.discard(event["batch_id"])
            case "subsidy.CommitmentCarried.v1":
                claims[record.stream].committed = {event["to_line"]: Decimal(event["amount"])}
            case "subsidy.ClaimRecovered.v1":
                claims[record.stream].place_freed = event["frees_place"]
            case kind if kind in FREED:
                claims[record.stream].freed = True
                claims[record.stream].committed = {}
    return claims


def check_once(records: Iterable[Located]) -> Checked:
    """Invariant 1: no certificate, person-project pair or fourth place is ever paid for twice."""
    claims = _claims(records)
    live = [claim for claim in claims.values() if not claim.freed]
    certificates = Counter(claim.certificate for claim in live if claim.certificate is not None)
    findings = [f"证书 {key} 有 {n} 个有效申请" for key, n in certificates.items() if n > 1]
    pairs = Counter((claim.person, claim.entitlement) for claim in live)
    findings += [f"{person} 的 {what} 有 {n} 个有效申请" for (person, what), n in pairs.items() if n > 1]
    paid: dict[tuple[str, str], int] = defaultdict(int)
    for claim_id, claim in claims.items():
        place = (claim.person, claim.programme)
        paid[place] += 0 if claim.place_freed else claim.paid
        if claim.most_paid > 1:
            findings.append(f"{claim_id} 同时发放了 {claim.most_paid} 次")
        if paid[place] > claim.places:
            findings.append(f"{claim.person} 的 {claim.programme} 已发放 {paid[place]} 次")
    return Checked("一 不重复发放", f"{len(claims)} 个申请", findings)


async def check_money(client: Client, records: Iterable[Located]) -> Checked:
    """Invariant 2: budget ≥ commitments ≥ payments, and the live ledger equals the events, to the cent."""
    claims = _claims(records)
    committed: dict[str, Decimal] = defaultdict(Decimal)
    paid: dict[str, Decimal] = defaultdict(Decimal)
    for claim in claims.values():
        for line, amount in claim.committed.items():
            committed[line] += amount
            paid[line] += amount * claim.paid
    findings = []
    budgets = await client.all("city", "subsidy", "/v1/budgets")
    for item in budgets:
        line = item["line"]
        live = (await client.get("city", "subsidy", f"/v1/budgets/{line}")).body
        if Decimal(live["committed"]) != committed[line]:
            findings.append(f"{line}：台账已承诺 {live['committed']}，事件为 {committed[line]}")
        if not Decimal(live["amount"]) >= committed[line] >= paid[line]:
            findings.append(f"{line}：预算 {live['amount']}，承诺 {committed[line]}，发放 {paid[line]}")
    total = sum(paid.values(), Decimal("0.00"))
    return Checked("二 预算、承诺与发放", f"{len(budgets)} 条预算，发放 {total} 元", findings)


async def check_histories(client: Client, records: Iterable[Located]) -> Checked:
    """Invariant 4: every claim's history is the same from Kafka, the archive and the store, and is what is shown."""
    claims = sorted({item.record.stream for item in records if item.record.stream.startswith("clm_")})
    compared = await compare(client, claims)
    findings = [f"{item.claim_id}：{'；'.join(item.findings)}" for item in compared if item.findings]
    return Checked("四 历史一致", f"{len(claims)} 个申请", findings)


async def check_whitelist(client: Client, records: Iterable[Located]) -> Checked:
    """Invariant 5: a check says what the events say, and no bank sees another bank's entry."""
    entries: dict[str, dict[str, Any]] = {}
    in_effect: dict[str, bool] = {}
    for item in sorted(records, key=lambda item: item.position):
        if not item.record.stream.startswith("wle_"):
            continue
        if item.record.type == "loans.EntryInEffect.v1":
            entries[item.record.stream] = msgspec.json.decode(item.record.payload)
        in_effect[item.record.stream] = item.record.type in ("loans.EntryInEffect.v1", "loans.EntryResumed.v1")
    banks = [role for role in client.endpoints.tokens if role.startswith("bank:")]
    expected = {
        (bank, entry["person_id"], entry["organisation_id"])
        for id, entry in entries.items()
        if in_effect[id]
        for bank in banks
        if bank.removeprefix("bank:") in entry["bank_codes"]
    }
    asked = {(bank, e["person_id"], e["organisation_id"]) for e in entries.values() for bank in banks}

    async def one(bank: str, person: str, organisation: str) -> str | None:
        question = {"person_id": person, "organisation_id": organisation}
        step = f"verify/{bank}/{person}/{organisation}"
        answer = await client.post(bank, "loans", "/v1/whitelist/check", question, step=step)
        right = (bank, person, organisation) in expected
        return None if answer.body["listed"] is right else f"{bank} 核验 {person}：应为 {right}"

    answers = await asyncio.gather(*(one(*question) for question in sorted(asked)))
    return Checked("五 白名单", f"{len(entries)} 条，核验 {len(asked)} 次", [found for found in answers if found])


async def check_ends(client: Client) -> Checked:
    """Invariant 7: every accepted claim reaches an end or shows whom it is waiting for."""
    claims = await client.all("auditor", "subsidy", "/v1/claims")
    waiting: Counter[str] = Counter()
    findings = []
    for claim in claims:
        if claim["status"] in ENDED:
            continue
        whom = [hold["waiting_for"] for hold in claim["holds"]] or [WAITING_FOR.get(claim["status"], "")]
        if not all(whom):
            findings.append(f"{claim['id']} 处于 {claim['status']}，没有说明在等谁")
        waiting.update(whom)
    told = "，".join(f"{whom} {n}" for whom, n in waiting.items()) or "无在途"
    return Checked("七 有始有终", f"{len(claims)} 个申请（{told}）", findings)

"""A service's log, examined: held against its signed heads, and against the heads and records that audit received."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from deploy.local.client import Client
from deploy.local.verify.findings import Checked
from services.audit.archive.history import Located
from shared.eventstore.record import canonical, parse
from shared.proof.examine import examine
from shared.proof.findings import Entry, read_heads, read_records
from shared.proof.heads import SignedHead
from shared.proof.merkle import leaf_hash, root_from_inclusion
from shared.proof.subtrees import Span, Tree

PAGE = 1000


async def check_log(client: Client, service: str, records: Sequence[Located]) -> Checked:
    """Invariant 3 for one service: nothing lost, doubled, inverted or rewritten.

    `records` are what the other checks rest on: they have to be those of the log. Heads are read before the log, so
    that a log which grows meanwhile is no finding.
    """
    key = bytes.fromhex((await client.get("ops", service, "/v1/log/key")).body["ed25519"])
    heads = await _own_heads(client, service)
    seen = await _heads(client, "auditor", "audit", f"/v1/log/heads?service={service}&source=seen&limit=200")
    copy = await _copy(client, service)
    witness = await _witness(client, parse(copy[0].data).log_id) if copy else []
    findings = [finding.told for finding in examine(copy, [*heads, *seen], [key], witness)]
    if copy and not heads:
        findings.append("日志尚未签名")
    held = {entry.position: entry.data for entry in copy}
    if any(held.get(item.position) != canonical(item.record) for item in records):
        findings.append("此前读到的记录与日志不同")
    looked_at = f"{len(copy)} 个事件，{len(heads)} 个日志头，审计所存 {len(seen)} 个，档案见证 {len(witness)} 个"
    return Checked(f"日志 {service}", looked_at, findings)


async def _own_heads(client: Client, service: str) -> list[SignedHead]:
    """All heads that a service has signed. One that has signed none (audit) need not list its own at this address."""
    if (await client.get("ops", service, "/v1/log/head", expect=(404,))).status == 404:
        return []
    return await _heads(client, "ops", service, "/v1/log/heads?limit=200")


async def _heads(client: Client, role: str, service: str, path: str) -> list[SignedHead]:
    """All heads of a list, page after page."""
    heads: list[SignedHead] = []
    cursor = ""
    while True:
        page = await client.get(role, service, f"{path}{cursor}")
        heads += read_heads(page.content)
        if page.body["next"] is None:
            return heads
        cursor = f"&cursor={page.body['next']}"


async def _copy(client: Client, service: str) -> list[Entry]:
    """The whole log with the leaves that the service keeps."""
    copy: list[Entry] = []
    while True:
        after = copy[-1].position if copy else 0
        page = read_records((await client.get("ops", service, f"/v1/log/records?after={after}&limit={PAGE}")).content)
        copy += page
        if len(page) < PAGE:
            return copy


async def _witness(client: Client, log_id: UUID) -> list[bytes]:
    """The leaves of positions 1, 2, 3 … as audit's archive received them, up to the first that it lacks."""
    leaves: list[bytes] = []
    while True:
        path = f"/v1/log/leaves?log_id={log_id}&after={len(leaves)}&limit={PAGE}"
        page = (await client.get("auditor", "audit", path)).body
        for item in page["items"]:
            if item["position"] != len(leaves) + 1:
                return leaves
            leaves.append(bytes.fromhex(item["leaf"]))
        if page["next"] is None:
            return leaves


def prove(records: Sequence[Located], stream: str) -> list[dict[str, Any]]:
    """An inclusion proof for every record of a stream, each checked as it is made."""
    ordered = sorted(records, key=lambda item: item.position)
    leaves = [leaf_hash(canonical(item.record)) for item in ordered]
    tree, size = Tree.of(leaves), len(leaves)
    root = tree.root(Span(0, size))
    proofs = []
    for index, item in enumerate(ordered):
        if item.record.stream == stream:
            path = tree.inclusion(index, size)
            holds = root_from_inclusion(index, size, leaves[index], path) == root
            proofs.append({"position": item.position, "leaf": leaves[index].hex(), "steps": len(path), "holds": holds})
    return proofs

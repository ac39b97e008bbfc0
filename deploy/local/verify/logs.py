"""A service's log: gapless, every leaf as its record says, the root as its signed head says."""

from collections.abc import Sequence
from typing import Any

import msgspec

from deploy.local.client import Client
from deploy.local.verify.findings import Checked
from services.audit.archive.history import Located
from shared.eventstore.record import canonical
from shared.proof.heads import SignedHead, verify_head
from shared.proof.merkle import inclusion_proof, root_from_inclusion, tree_root
from shared.proof.merkle import leaf_hash as hash_of_leaf


def leaves_of(records: Sequence[Located]) -> list[bytes]:
    """The leaf hashes of a log, recomputed from its records in order of position."""
    return [hash_of_leaf(canonical(item.record)) for item in records]


async def check_log(client: Client, service: str, records: Sequence[Located]) -> Checked:
    """Invariant 3 for one service: nothing lost, doubled, inverted or rewritten."""
    ordered = sorted(records, key=lambda item: item.position)
    findings: list[str] = []
    positions = [item.position for item in ordered]
    if positions != list(range(1, len(positions) + 1)):
        findings.append("位置有缺口或重复")
    if len({item.record.id for item in ordered}) != len(ordered):
        findings.append("事件编号重复")
    findings += _version_findings(ordered)
    leaves = leaves_of(ordered)
    findings += await _head_findings(client, service, leaves)
    return Checked(f"日志 {service}", f"{len(ordered)} 个事件", findings)


def _version_findings(ordered: Sequence[Located]) -> list[str]:
    versions: dict[str, int] = {}
    findings = []
    for item in ordered:
        stream, version = item.record.stream, item.record.version
        if version != versions.get(stream, 0) + 1:
            findings.append(f"{stream} 的版本 {version} 不接在 {versions.get(stream, 0)} 之后")
        versions[stream] = version
    return findings


async def _head_findings(client: Client, service: str, leaves: Sequence[bytes]) -> list[str]:
    key = (await client.get("ops", service, "/v1/log/key")).body
    answer = await client.get("ops", service, "/v1/log/head", expect=(404,))
    if answer.status == 404:
        return [] if not leaves else ["日志尚未签名"]
    signed: SignedHead = msgspec.convert(answer.body, SignedHead, strict=False)
    findings = []
    if not verify_head(signed, bytes.fromhex(key["ed25519"])):
        findings.append("日志头的签名无效")
    size = signed.head.tree_size
    if size > len(leaves):
        findings.append(f"日志被截短：已签名 {size} 个事件，只有 {len(leaves)} 个")
    elif tree_root(leaves[:size]).hex() != signed.head.root:
        findings.append("由事件重算的根与已签名的根不同")
    return findings


def prove(records: Sequence[Located], stream: str) -> list[dict[str, Any]]:
    """An inclusion proof for every record of a stream, each checked as it is made."""
    ordered = sorted(records, key=lambda item: item.position)
    leaves = leaves_of(ordered)
    root = tree_root(leaves)
    proofs = []
    for index, item in enumerate(ordered):
        if item.record.stream == stream:
            path = inclusion_proof(index, leaves)
            holds = root_from_inclusion(index, len(leaves), leaves[index], path) == root
            proofs.append({"position": item.position, "leaf": leaves[index].hex(), "steps": len(path), "holds": holds})
    return proofs

"""Evidence is verified offline: everything in it hangs on the signed head, and nothing can be bent or left out."""

from collections import defaultdict
from collections.abc import Callable
from random import Random

import msgspec
import pytest

from shared.eventstore.record import parse
from shared.proof.attestations import Attestation, attest
from shared.proof.evidence import Evidence, Included, StreamEvidence, verify_evidence
from shared.proof.heads import Signer
from shared.proof.subtrees import Tree
from tests.unit.proof.logs import MOMENT, SERVICE, STRANGER, head_of, leaves_of, log_of

LOG = log_of(Random(11), 40)
LEAVES = leaves_of(LOG)
SIZE = 35
POSITIONS: dict[str, list[int]] = defaultdict(list)
for _position, _data in enumerate(LOG[:SIZE], 1):
    POSITIONS[parse(_data).stream].append(_position)
ONE, OTHER = sorted(POSITIONS, key=lambda stream: -len(POSITIONS[stream]))[:2]
RECORDS = [(position, LOG[position - 1]) for position in sorted([*POSITIONS[ONE], *POSITIONS[OTHER]])]
replace = msgspec.structs.replace


def stream_evidence(stream: str, upto: int | None = None, by: Signer = SERVICE) -> StreamEvidence:
    tree, head = Tree.of(LEAVES), head_of(LEAVES, SIZE).head
    events = tuple(
        Included(
            position=position,
            version=version,
            leaf=LEAVES[position - 1].hex(),
            proof=tuple(step.hex() for step in tree.inclusion(position - 1, SIZE)),
        )
        for version, position in enumerate(POSITIONS[stream][:upto], 1)
    )
    attestation = Attestation(
        service=head.service,
        log_id=head.log_id,
        stream=stream,
        version=len(events),
        leaf=events[-1].leaf,
        tree_size=SIZE,
        root=head.root,
        hash="sm3",
        signed_at=MOMENT,
    )
    return StreamEvidence(attestation=attest(by, attestation), events=events)


GOOD = Evidence(head=head_of(LEAVES, SIZE), streams=(stream_evidence(ONE), stream_evidence(OTHER)))


def with_first(**changes: object) -> Evidence:
    stream = GOOD.streams[0]
    event = replace(stream.events[0], **changes)
    return replace(GOOD, streams=(replace(stream, events=(event, *stream.events[1:])), GOOD.streams[1]))


def test_good_evidence_proves_every_record_that_the_head_covers() -> None:
    verified = verify_evidence(GOOD, SERVICE.public_bytes, RECORDS, (ONE, OTHER))
    assert verified.findings == []
    assert list(verified.steps) == [position for position, _ in RECORDS]
    assert all(0 < steps <= 6 for steps in verified.steps.values())
    beyond = [*RECORDS, (SIZE + 1, LOG[SIZE])]
    assert verify_evidence(GOOD, SERVICE.public_bytes, beyond, (ONE, OTHER)) == verified


FIRST = RECORDS[0][0] if RECORDS[0][0] in POSITIONS[ONE] else POSITIONS[ONE][0]
BENT: dict[str, tuple[Callable[[], Evidence], str]] = {
    "a head of another key": (lambda: replace(GOOD, head=head_of(LEAVES, SIZE, STRANGER)), "日志头的签名无效"),
    "a head of another log": (lambda: replace(GOOD, head=head_of(LEAVES[::-1], SIZE)), "包含性证明不成立"),
    "another leaf": (lambda: with_first(leaf=LEAVES[-1].hex()), f"位置 {FIRST} 的包含性证明不成立"),
    "another position": (lambda: with_first(position=SIZE), f"位置 {SIZE} 的包含性证明不成立"),
    "a bent step": (lambda: with_first(proof=("00" * 32,) * 6), f"位置 {FIRST} 的包含性证明不成立"),
    "no hexadecimal": (lambda: with_first(leaf="xyz"), f"位置 {FIRST} 的包含性证明不成立"),
    "another version": (lambda: with_first(version=2), f"{ONE} 的完整性声明与所附的事件不符"),
    "a stranger's attestation": (
        lambda: replace(GOOD, streams=(stream_evidence(ONE, by=STRANGER), GOOD.streams[1])),
        f"{ONE} 的完整性声明签名无效",
    ),
    "an attestation for another head": (
        lambda: replace(GOOD, head=head_of(LEAVES, SIZE - 1)),
        f"{ONE} 的完整性声明说的不是这个日志头",
    ),
    "an event left out": (
        lambda: replace(GOOD, streams=(stream_evidence(ONE, upto=-1), GOOD.streams[1])),
        f"位置 {POSITIONS[ONE][-1]} 没有包含性证明",
    ),
    "events left out under a true attestation": (
        lambda: replace(
            GOOD, streams=(replace(GOOD.streams[0], events=GOOD.streams[0].events[:-1]), GOOD.streams[1])
        ),
        f"{ONE} 的完整性声明与所附的事件不符",
    ),
    "a stream left out": (lambda: replace(GOOD, streams=GOOD.streams[1:]), f"{ONE} 没有完整性声明"),
}  # fmt: skip


@pytest.mark.parametrize("name", BENT)
def test_bent_evidence_is_told_for_what_it_is(name: str) -> None:
    make, expected = BENT[name]
    verified = verify_evidence(make(), SERVICE.public_bytes, RECORDS, (ONE, OTHER))
    assert any(expected in finding for finding in verified.findings), verified.findings


def test_a_record_that_is_not_the_proved_one_is_named() -> None:
    position, data = RECORDS[3]
    bent = [(at, data.replace(b"app", b"xyz") if at == position else record) for at, record in RECORDS]
    verified = verify_evidence(GOOD, SERVICE.public_bytes, bent, (ONE, OTHER))
    assert verified.findings == [f"位置 {position} 的记录与被证明的叶散列不符"]
    assert position not in verified.steps


def test_a_record_that_was_withheld_is_missed_where_the_stream_should_be_whole() -> None:
    without = [item for item in RECORDS if item[0] != POSITIONS[ONE][1]]
    assert verify_evidence(GOOD, SERVICE.public_bytes, without, (ONE,)).findings == [f"{ONE} 缺少 1 个已声明的事件"]
    assert verify_evidence(GOOD, SERVICE.public_bytes, without).findings == []

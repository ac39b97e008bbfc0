"""A thousand falsifications, each named as what it is; and what cannot be told, is not told."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import msgspec
import pytest

from shared.eventstore.record import canonical, parse
from shared.proof.examine import examine
from shared.proof.findings import Entry, Finding, Kind, read_heads, read_records
from shared.proof.heads import SignedHead, Signer
from shared.proof.merkle import leaf_hash
from tests.unit.proof.logs import (
    KEYS,
    SERVICE,
    STRANGER,
    copy_of,
    grown,
    head_of,
    leaves_of,
    log_of,
    record,
    with_a_byte_changed,
)


class Forgery(NamedTuple):
    """A falsified copy, and what was done: `first` is the first position that is not as it was."""

    copy: list[Entry]
    kind: Kind
    first: int
    last: int
    visible: bool = False
    """It shows in the copy alone."""


def change(random: Random, log: list[bytes]) -> Forgery:
    """A byte of a payload, an actor or a timestamp; with or without the leaf made to fit."""
    at = random.randrange(len(log))
    forged = [*log[:at], with_a_byte_changed(random, log[at]), *log[at + 1 :]]
    copy, stale = copy_of(forged), random.random() < 0.3
    if stale:
        copy[at] = Entry(at + 1, forged[at], leaf_hash(log[at]))
    return Forgery(copy, Kind.CHANGED, at + 1, at + 1, stale)


def drop(random: Random, log: list[bytes]) -> Forgery:
    """A record that is not the last; its position left open, or closed up."""
    at = random.randrange(len(log) - 1)
    if random.random() < 0.3:
        copy = copy_of(log)
        return Forgery([*copy[:at], *copy[at + 1 :]], Kind.DROPPED, at + 1, at + 1, True)
    return Forgery(copy_of([*log[:at], *log[at + 1 :]]), Kind.DROPPED, at + 1, at + 1)


def insert(random: Random, log: list[bytes]) -> Forgery:
    """An event of a new stream, one more of a known stream, or a known one again; all later ones moved up."""
    at = random.randrange(len(log))
    added = [record(random, "acc_new", 1)]
    if at:
        known = parse(random.choice(log[:at]))
        added.append(record(random, known.stream, known.version + 1))
    if apart := [data for n, data in enumerate(log) if abs(n - at) > 1]:
        added.append(random.choice(apart))
    return Forgery(copy_of([*log[:at], random.choice(added), *log[at:]]), Kind.INSERTED, at + 1, at + 1)


def swap(random: Random, log: list[bytes]) -> Forgery:
    one, other = sorted(random.sample(range(len(log)), 2))
    forged = list(log)
    forged[one], forged[other] = log[other], log[one]
    return Forgery(copy_of(forged), Kind.SWAPPED, one + 1, other + 1)


def truncate(random: Random, log: list[bytes]) -> Forgery:
    left = random.randrange(1, len(log))
    return Forgery(copy_of(log[:left]), Kind.TRUNCATED, left + 1, len(log))


class Case(NamedTuple):
    """A forgery, the true log, the heads held from before it, and who signed it anew, if anyone did."""

    log: list[bytes]
    forgery: Forgery
    sizes: list[int]
    signer: Signer | None

    @property
    def kept(self) -> list[bytes]:
        return [entry.leaf for entry in self.forgery.copy]

    @property
    def heads(self) -> list[SignedHead]:
        before = [head_of(leaves_of(self.log), size) for size in self.sizes]
        if self.signer is None:
            return before
        return [*before, head_of(self.kept, len(self.kept), self.signer)]

    @property
    def signs_anew(self) -> bool:
        """Whether the new head says anything that the service had not."""
        return self.signer is not None and self.kept[: len(self.log)] != leaves_of(self.log)[: len(self.kept)]


def case(seed: int) -> Case:
    random = Random(seed)
    log = log_of(random, random.randint(2, 70))
    forgery = random.choice((change, drop, insert, swap, truncate))(random, log)
    sizes = sorted(random.sample(range(1, len(log) + 1), min(len(log), random.randrange(4))))
    if forgery.kind is not Kind.TRUNCATED and random.random() < 0.5:
        longer = grown(random, log, random.randrange(1, 6))[len(log) :]
        after = forgery.copy[-1].position
        more = [Entry(after + n, data, leaf_hash(data)) for n, data in enumerate(longer, 1)]
        forgery = forgery._replace(copy=[*forgery.copy, *more])
    return Case(log, forgery, sizes, random.choice((None, None, SERVICE, STRANGER)))


def named(findings: Sequence[Finding]) -> set[tuple[Kind, int]]:
    return {(finding.kind, finding.position) for finding in findings}


SEEDS = [range(start, start + 100) for start in range(0, 1000, 100)]


@pytest.mark.parametrize("seeds", SEEDS, ids=str)
def test_with_a_witness_each_of_a_thousand_falsifications_is_named_with_its_position(seeds: range) -> None:
    for seed in seeds:
        log, forgery, sizes, signer = it = case(seed)
        expected = {(forgery.kind, forgery.first)}
        size = len(forgery.copy)
        if signer is STRANGER:
            expected.add((Kind.RE_SIGNED, size))
        if signer is SERVICE and it.signs_anew:
            known = size <= len(log) or any(forgery.first <= held <= size for held in sizes)
            expected |= {(Kind.RE_SIGNED, size)} if known else set()
        found = examine(forgery.copy, it.heads, KEYS, leaves_of(log))
        assert named(found) == expected, f"seed {seed}: {found}"
        [it_self] = [finding for finding in found if finding.kind is forgery.kind]
        assert it_self.until == forgery.last, f"seed {seed}: {it_self}"
        assert f"{forgery.first}" in it_self.told


@pytest.mark.parametrize("seeds", SEEDS, ids=str)
def test_without_a_witness_nothing_false_is_said_and_what_a_held_head_covers_never_goes_unseen(seeds: range) -> None:
    seen = 0
    for seed in seeds:
        log, forgery, sizes, signer = it = case(seed)
        covered = any(forgery.first <= size for size in sizes) and it.kept[: len(log)] != leaves_of(log)
        found = examine(forgery.copy, it.heads, KEYS)
        assert found or not (covered or forgery.visible or signer is STRANGER), f"seed {seed}"
        seen += bool(found)
        for finding in found:
            where = finding.position <= forgery.last and finding.until >= forgery.first
            match finding.kind:
                case Kind.RE_SIGNED:
                    true = finding.position == len(forgery.copy) and (signer is STRANGER or it.signs_anew)
                case Kind.REWRITTEN:
                    true = where and not forgery.visible and it.kept != leaves_of(log)[: len(it.kept)]
                case Kind.TRUNCATED if forgery.kind is Kind.DROPPED:
                    true = len(forgery.copy) < max(sizes)
                case kind:
                    true = kind is forgery.kind and where
            assert true, f"seed {seed}: {finding}"
    assert seen > 60


@pytest.mark.parametrize("seed", range(100))
def test_an_untouched_log_gives_no_finding_also_when_it_has_grown_since(seed: int) -> None:
    random = Random(seed)
    log = log_of(random, random.randrange(90))
    leaves = leaves_of(log)
    heads = [head_of(leaves, size) for size in random.choices(range(1, len(log) + 1), k=3)] if log else []
    witness = leaves[: random.randint(0, len(log))]
    assert examine(copy_of(log), heads, KEYS, witness) == []
    entries = copy_of(log)
    random.shuffle(entries)
    assert examine(entries, heads, KEYS, witness) == []


LOG = log_of(Random(7), 60)
LEAVES = leaves_of(LOG)
HEADS = [head_of(LEAVES, size) for size in (20, 40, 60)]


def of_another_stream(at: int) -> int:
    """The next position whose record is of another stream."""
    return next(n for n in range(at + 1, 60) if parse(LOG[n - 1]).stream != parse(LOG[at - 1]).stream)


def last_of_its_stream() -> int:
    """A position before 40 with the newest record of a stream."""
    newest = {parse(data).stream: position for position, data in enumerate(LOG, 1)}
    return min(newest.values())


def changed_at(position: int, log: Sequence[bytes] = LOG) -> list[bytes]:
    return [with_a_byte_changed(Random(position), d) if n == position else d for n, d in enumerate(log, 1)]


def test_a_changed_record_whose_leaf_was_recomputed_is_narrowed_down_by_heads_and_found_by_a_witness() -> None:
    copy = copy_of(changed_at(25))
    assert examine(copy) == []
    assert [f[:3] for f in examine(copy, HEADS, KEYS)] == [(Kind.REWRITTEN, 21, 40)]
    assert [f[:3] for f in examine(copy, HEADS[2:], KEYS)] == [(Kind.REWRITTEN, 1, 60)]
    assert named(examine(copy, HEADS, KEYS, LEAVES)) == {(Kind.CHANGED, 25)}
    assert named(examine(copy, (), (), LEAVES)) == {(Kind.CHANGED, 25)}


def test_a_history_signed_anew_with_the_stolen_key_is_caught_by_an_older_head_or_a_witness_only() -> None:
    forged = changed_at(25)
    stolen = head_of(leaves_of(forged), 60)
    copy = copy_of(forged)
    assert examine(copy, [stolen], KEYS) == []
    assert examine(copy, [HEADS[0], stolen], KEYS) == []
    assert named(examine(copy, [HEADS[1], stolen], KEYS)) == {(Kind.RE_SIGNED, 60)}
    assert named(examine(copy, [HEADS[2], stolen], KEYS)) == {(Kind.RE_SIGNED, 60)}
    assert named(examine(copy, [stolen], KEYS, LEAVES)) == {(Kind.CHANGED, 25), (Kind.RE_SIGNED, 60)}


def test_a_head_of_a_stranger_is_named_whether_the_log_is_true_or_not() -> None:
    for log in (LOG, changed_at(25)):
        head = head_of(leaves_of(log), 60, STRANGER)
        assert named(examine(copy_of(log), [head], KEYS)) == {(Kind.RE_SIGNED, 60)}
    assert examine(copy_of(LOG), [head_of(LEAVES, 60, STRANGER)], (*KEYS, STRANGER.public_bytes)) == []


def test_records_of_two_streams_that_changed_places_are_told_apart_by_a_witness_only() -> None:
    one = 22
    other = of_another_stream(one)
    forged = list(LOG)
    forged[one - 1], forged[other - 1] = LOG[other - 1], LOG[one - 1]
    copy = copy_of(forged)
    assert examine(copy) == []
    assert [f[:3] for f in examine(copy, HEADS, KEYS)] == [(Kind.REWRITTEN, 21, 40)]
    assert [f[:3] for f in examine(copy, HEADS, KEYS, LEAVES)] == [(Kind.SWAPPED, one, other)]


def test_the_newest_record_of_a_stream_taken_out_looks_like_an_end_cut_off_without_an_older_head_or_a_witness() -> None:
    at = last_of_its_stream()
    copy = copy_of([data for n, data in enumerate(LOG, 1) if n != at])
    assert examine(copy) == []
    assert named(examine(copy, HEADS[2:], KEYS)) == {(Kind.TRUNCATED, 60)}
    told = examine(copy, HEADS, KEYS)
    assert {finding.kind for finding in told} == {Kind.REWRITTEN, Kind.TRUNCATED}
    assert told[0].position <= at <= told[0].until
    assert named(examine(copy, HEADS, KEYS, LEAVES)) == {(Kind.DROPPED, at)}


def test_an_event_of_its_own_stream_that_was_put_in_is_told_by_a_witness_only() -> None:
    copy = copy_of([*LOG[:30], record(Random(1), "acc_forged", 1), *LOG[30:]])
    assert examine(copy) == []
    assert [f[:3] for f in examine(copy, HEADS, KEYS)] == [(Kind.REWRITTEN, 21, 40)]
    assert named(examine(copy, HEADS, KEYS, LEAVES)) == {(Kind.INSERTED, 31)}


def test_an_event_that_was_put_in_before_its_predecessor_passes_for_a_swap_without_a_witness() -> None:
    new = next(n for n, data in enumerate(LOG, 1) if n > 20 and parse(data).version == 1)
    stream = parse(LOG[new - 1]).stream
    later = [n for n, data in enumerate(LOG, 1) if parse(data).stream == stream]
    forged = record(Random(1), stream, len(later) + 1)
    copy = copy_of([*LOG[: new - 1], forged, *LOG[new - 1 :]])
    assert {finding.kind for finding in examine(copy)} == {Kind.SWAPPED}
    assert named(examine(copy, HEADS, KEYS, LEAVES)) == {(Kind.INSERTED, new)}


def test_the_last_record_of_the_witness_taken_out_of_a_log_that_has_grown_is_called_changed() -> None:
    longer = grown(Random(3), LOG, 4)
    copy = copy_of([*LOG[:-1], *longer[60:]])
    assert (Kind.CHANGED, 60) in named(examine(copy, HEADS, KEYS, LEAVES))
    assert named(examine(copy, HEADS, KEYS, leaves_of(longer))) == {(Kind.DROPPED, 60)}


def test_a_log_cut_off_is_told_by_a_head_and_by_a_witness_and_by_nothing_else() -> None:
    copy = copy_of(LOG[:50])
    assert examine(copy, HEADS[:2], KEYS, LEAVES[:45]) == []
    assert [f[:3] for f in examine(copy, HEADS, KEYS)] == [(Kind.TRUNCATED, 51, 60)]
    assert [f[:3] for f in examine(copy, (), (), LEAVES)] == [(Kind.TRUNCATED, 51, 60)]
    assert [f[:3] for f in examine([], HEADS, KEYS)] == [(Kind.TRUNCATED, 1, 60)]


def test_several_falsifications_at_once_are_each_named() -> None:
    forged = changed_at(10)
    forged[29], forged[34] = forged[34], forged[29]
    forged = [*forged[:19], *forged[20:44], record(Random(1), "acc_forged", 1), *forged[44:55]]
    found = examine(copy_of(forged), HEADS, KEYS, LEAVES)
    assert {kind for kind, _ in named(found)} == {
        Kind.CHANGED, Kind.DROPPED, Kind.SWAPPED, Kind.INSERTED, Kind.TRUNCATED,
    }  # fmt: skip
    assert {(Kind.CHANGED, 10), (Kind.DROPPED, 20), (Kind.INSERTED, 44), (Kind.TRUNCATED, 56)} <= named(found)


def test_a_change_that_its_stale_leaf_betrays_hides_no_other_one() -> None:
    forged = changed_at(33, changed_at(25))
    copy = copy_of(forged)
    copy[24] = Entry(25, forged[24], LEAVES[24])
    assert [f[:3] for f in examine(copy, HEADS, KEYS)] == [(Kind.REWRITTEN, 21, 40), (Kind.CHANGED, 25, 25)]


def test_a_kept_leaf_that_was_changed_is_found_where_it_is() -> None:
    copy = copy_of(LOG)
    copy[24] = Entry(25, LOG[24], leaf_hash(b"something else"))
    assert named(examine(copy, HEADS, KEYS)) == named(examine(copy, HEADS, KEYS, LEAVES)) == {(Kind.CHANGED, 25)}


def remade(position: int, **changes: object) -> list[Entry]:
    """The log with fields of one record changed, and the leaf made to fit."""
    forged = list(LOG)
    forged[position - 1] = canonical(msgspec.structs.replace(parse(LOG[position - 1]), **changes))
    return copy_of(forged)


def test_what_records_say_by_themselves_needs_neither_head_nor_witness() -> None:
    first = parse(LOG[0])
    assert named(examine(remade(30, log_id=parse(LOG[0]).id))) == {(Kind.CHANGED, 30)}
    assert examine(remade(30, id=first.id))[0][:3] == (Kind.INSERTED, 1, 30)
    assert named(examine(remade(30, version=10**15))) >= {(Kind.CHANGED, 30)}
    assert named(examine(remade(30, version=0))) >= {(Kind.CHANGED, 30)}
    broken = copy_of([data if n != 30 else data[:-9] for n, data in enumerate(LOG, 1)])
    assert (Kind.CHANGED, 30) in named(examine(broken))
    new = record(Random(2), "acc_new", 1)
    assert named(examine([*copy_of(LOG), Entry(30, new, leaf_hash(new))])) == {(Kind.INSERTED, 30)}


def a_stream_with_neighbours_missing() -> tuple[list[bytes], list[int]]:
    """The log without versions 2 and 3 of its first stream, and where that stream's records were."""
    stream = parse(LOG[0]).stream
    own = [position for position, data in enumerate(LOG, 1) if parse(data).stream == stream]
    return [data for n, data in enumerate(LOG, 1) if n not in own[1:3]], own


def test_missing_versions_are_a_loss_between_their_neighbours_and_explain_a_shorter_log() -> None:
    left, own = a_stream_with_neighbours_missing()
    [found] = examine(copy_of(left))
    assert (found.kind, found.position, found.until, found.events) == (Kind.DROPPED, 2, own[3] - 2, 2)
    assert found.told == f"{parse(LOG[0]).stream} 缺少版本 2 至 3，原在位置 2 至 {own[3] - 2} 之间"
    assert examine(copy_of(left), HEADS[2:], KEYS) == [found]
    assert [f[:3] for f in examine(copy_of(left[:50]), HEADS[2:], KEYS)] == [
        (Kind.DROPPED, 2, own[3] - 2),
        (Kind.TRUNCATED, 53, 60),
    ]


def test_a_missing_position_explains_the_missing_version() -> None:
    _, own = a_stream_with_neighbours_missing()
    copy = [entry for entry in copy_of(LOG) if entry.position != own[1]]
    assert [f[:3] for f in examine(copy)] == [(Kind.DROPPED, own[1], own[1])]
    assert [f[:3] for f in examine(copy, HEADS, KEYS)] == [(Kind.DROPPED, own[1], own[1])]


def test_a_head_over_a_history_that_nobody_has_is_named_and_the_true_log_is_not() -> None:
    stolen = head_of(leaves_of(changed_at(25)), 60)
    assert named(examine(copy_of(LOG), [stolen], KEYS, LEAVES)) == {(Kind.RE_SIGNED, 60)}
    assert named(examine(copy_of(LOG), [HEADS[2], stolen], KEYS)) == {(Kind.RE_SIGNED, 60)}


def test_two_records_of_a_stream_in_each_other_s_place_are_told_by_their_versions() -> None:
    stream = parse(LOG[0]).stream
    own = [position for position, data in enumerate(LOG, 1) if parse(data).stream == stream]
    forged = list(LOG)
    forged[own[1] - 1], forged[own[3] - 1] = LOG[own[3] - 1], LOG[own[1] - 1]
    assert [f[:3] for f in examine(copy_of(forged))] == [(Kind.SWAPPED, own[1], own[3])]


def test_a_head_with_a_hash_that_nobody_knows_is_no_head() -> None:
    head = msgspec.structs.replace(HEADS[0].head, hash="md5")
    assert named(examine(copy_of(LOG), [SERVICE.sign(head)], KEYS)) == {(Kind.RE_SIGNED, 20)}


def test_the_answers_of_a_service_are_examined_as_they_were_saved() -> None:
    items = ",".join(
        f'{{"position":{n},"leaf":"{leaf.hex()}","record":{data.decode()}}}'
        for n, (data, leaf) in enumerate(zip(LOG, LEAVES, strict=True), 1)
    )
    entries = read_records(f'{{"items":[{items}],"next":null}}'.encode())
    heads = read_heads(msgspec.json.encode({"items": HEADS, "next": None}))
    assert (entries, heads) == (copy_of(LOG), HEADS)
    assert examine(entries, heads, KEYS) == []

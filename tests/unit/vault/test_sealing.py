"""Sealing: what one key closes only that key opens, in the one place that it was closed for."""

import os
import stat
import time
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest
from hypothesis import given as every
from hypothesis import settings
from hypothesis import strategies as st

from shared.eventstore.record import encode_payload
from shared.values.personal import REDACTED, Clear, Sealed
from shared.vault import keys as module
from shared.vault.boxes import Unreadable, open_bytes, seal_bytes
from shared.vault.keys import ALGORITHM, Keyring, associated_data, seal, unseal
from shared.vault.master import FileMasterKey, MasterKey
from tests.contract.events.samples import example
from tests.contract.events.tree import event_classes

KEY, OTHER_KEY = bytes(range(16)), bytes(range(1, 17))
EVENT, OTHER_EVENT = UUID(int=1), UUID(int=2)
FEW = settings(max_examples=60, deadline=None)


# -- bytes -------------------------------------------------------------------------------------------------------------


@FEW
@every(st.binary(max_size=300), st.binary(max_size=40), st.binary(min_size=16, max_size=16))
def test_what_was_sealed_is_opened(clear: bytes, associated: bytes, key: bytes) -> None:
    box = seal_bytes(key, clear, associated)
    assert open_bytes(key, box, associated) == clear
    assert len(box) == 12 + len(clear) + 16
    if len(clear) > 3:
        assert clear not in box


def test_the_cipher_is_sm4_gcm_of_rfc_8998() -> None:
    """The RFC's own vector, appendix A.1."""
    key = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    nonce = bytes.fromhex("00001234567800000000ABCD")
    body = bytes.fromhex(
        "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735D82710CA5C22F0CCFA7CBF93D496AC15"
        "A56834CBCF98C397B4024A2691233B8D"
    )
    tag = bytes.fromhex("83DE3541E4C2B58177E065A9BF7B62EC")
    clear = b"".join(bytes([n]) * 8 for n in bytes.fromhex("AABBCCDDEEFFEEAA"))
    associated = bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
    assert open_bytes(key, nonce + body + tag, associated) == clear


def test_the_same_value_never_looks_the_same_twice() -> None:
    assert len({seal_bytes(KEY, b"same", b"") for _ in range(50)}) == 50


@FEW
@every(st.data())
def test_one_changed_bit_anywhere_makes_it_unreadable(data: st.DataObject) -> None:
    box = bytearray(seal_bytes(KEY, b"310101199001011234", b"here"))
    where = data.draw(st.integers(0, len(box) - 1))
    box[where] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Unreadable):
        open_bytes(KEY, bytes(box), b"here")


def test_another_key_or_other_associated_data_makes_it_unreadable() -> None:
    box = seal_bytes(KEY, b"clear", b"here")
    for key, associated in ((OTHER_KEY, b"here"), (KEY, b"there"), (KEY, b""), (b"short", b"here"), (b"", b"here")):
        with pytest.raises(Unreadable):
            open_bytes(key, box, associated)


@pytest.mark.parametrize("size", range(30))
def test_a_box_that_was_cut_is_unreadable_and_no_other_error(size: int) -> None:
    with pytest.raises(Unreadable):
        open_bytes(KEY, seal_bytes(KEY, b"cl", b"here")[:size][: 28 + 1], b"here")


# -- values in events --------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.one_of(st.text(), st.integers(-(2**53), 2**53), st.booleans(), st.none()),
    lambda inside: st.one_of(st.lists(inside, max_size=3), st.dictionaries(st.text(), inside, max_size=3)),
    max_leaves=6,
)


@FEW
@every(VALUES, st.integers(0, 65535))
def test_a_personal_value_is_opened_as_it_was(value: Any, field: int) -> None:
    sealed = seal(KEY, Clear("per_1", value), EVENT, field)
    assert (sealed.subject, sealed.algorithm, sealed.field) == ("per_1", ALGORITHM, field)
    assert unseal(KEY, sealed, EVENT) == value


def test_rare_characters_come_back_whole() -> None:
    for name in ("欧阳𠮷", "𪚥𠀋", "㛃䶮"):
        assert unseal(KEY, seal(KEY, Clear("per_1", name), EVENT, 1), EVENT) == name


def test_a_value_cannot_be_moved_to_another_event_or_field() -> None:
    sealed = seal(KEY, Clear("per_1", "欧阳"), EVENT, 1)
    with pytest.raises(Unreadable):
        unseal(KEY, sealed, OTHER_EVENT)
    with pytest.raises(Unreadable):
        unseal(KEY, Sealed("per_1", ALGORITHM, 2, sealed.box), EVENT)


def test_a_value_under_an_unknown_cipher_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="rot13"):
        unseal(KEY, Sealed("per_1", "rot13", 1, b""), EVENT)


@every(st.uuids(), st.uuids(), st.integers(0, 65535), st.integers(0, 65535))
def test_no_two_places_share_their_associated_data(one: UUID, other: UUID, n: int, m: int) -> None:
    assert (associated_data(one, n) == associated_data(other, m)) == ((one, n) == (other, m))


# -- nothing leaks -----------------------------------------------------------------------------------------------------


def test_a_clear_value_cannot_be_encoded() -> None:
    clear = Clear("per_1", "欧阳")
    for encode in (msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins):
        with pytest.raises(TypeError):
            encode(clear)
    with pytest.raises(TypeError, match="no key"):
        encode_payload(example(event_classes()["registry.PersonRegistered.v1"]))


def test_a_clear_value_does_not_show_itself() -> None:
    assert "欧阳" not in repr(Clear("per_1", "欧阳")) + str(Clear("per_1", "欧阳")) + f"{Clear('per_1', '欧阳')}"
    assert "box" not in repr(seal(KEY, Clear("per_1", "欧阳"), EVENT, 1))
    assert str(REDACTED) == "（已删除）"


# -- keys --------------------------------------------------------------------------------------------------------------


class Master:
    """A master key that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def wrap(self, key: bytes, subject: str) -> bytes:
        return seal_bytes(KEY, key, subject.encode())

    def unwrap(self, wrapped: bytes, subject: str) -> bytes:
        self.asked += 1
        return open_bytes(KEY, wrapped, subject.encode())


def ring_of(master: Master) -> Keyring:
    return Keyring(cast(MasterKey, master))


def test_a_wrapped_key_opens_for_its_subject_only() -> None:
    ring = ring_of(Master())
    key, wrapped = ring.new_key("per_1")
    assert ring.key("per_1", wrapped) == key
    with pytest.raises(Unreadable):
        ring.key("per_2", wrapped)
    assert key != ring.new_key("per_1")[0]


def test_a_key_is_unwrapped_once_while_its_wrapped_form_stays_the_same() -> None:
    master = Master()
    ring = ring_of(master)
    key, wrapped = ring.new_key("per_1")
    assert [ring.key("per_1", wrapped) for _ in range(3)] == [key] * 3
    assert master.asked == 1


def test_another_wrapped_key_of_a_subject_is_never_answered_from_the_cache() -> None:
    ring = ring_of(Master())
    first, wrapped_first = ring.new_key("per_1")
    second, wrapped_second = ring.new_key("per_1")
    assert ring.key("per_1", wrapped_first) == first
    assert ring.key("per_1", wrapped_second) == second
    assert ring.key("per_1", wrapped_first) == first
    with pytest.raises(Unreadable):
        ring.key("per_1", b"destroyed")


def test_a_cached_key_is_forgotten_on_erasure_and_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    master = Master()
    ring = ring_of(master)
    _, wrapped = ring.new_key("per_1")
    ring.key("per_1", wrapped)
    ring.forget("per_1")
    ring.forget("per_unknown")
    ring.key("per_1", wrapped)
    assert master.asked == 2
    later = time.monotonic() + module.KEY_CACHE_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    ring.key("per_1", wrapped)
    assert master.asked == 3
    assert module.KEY_CACHE_SECONDS <= 60


def test_the_cache_does_not_grow_without_end() -> None:
    ring = ring_of(Master())
    _, wrapped = ring.new_key("per_1")
    for n in range(10_000):
        ring._cache[f"per_x{n}"] = (0.0, b"", b"")
    ring.key("per_1", wrapped)
    assert len(ring._cache) == 1


def test_a_stored_answer_opens_for_its_idempotency_key_only() -> None:
    ring = ring_of(Master())
    box = ring.seal_answer(b'{"id":1}', "app\nkey-1")
    assert ring.open_answer(box, "app\nkey-1") == b'{"id":1}'
    with pytest.raises(Unreadable):
        ring.open_answer(box, "app\nkey-2")


def test_the_master_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "master.key"
    wrapped = FileMasterKey(path).wrap(b"0123456789abcdef", "per_1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size == 16
    assert FileMasterKey(path).unwrap(wrapped, "per_1") == b"0123456789abcdef"
    other = tmp_path / "other.key"
    other.write_bytes(os.urandom(16))
    with pytest.raises(Unreadable):
        FileMasterKey(other).unwrap(wrapped, "per_1")

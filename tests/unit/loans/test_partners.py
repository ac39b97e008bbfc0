"""What loans keeps of registry's partner clients, from events as they were agreed with registry."""

from typing import Any

import msgspec
import pytest

from services.loans.intake.partners import LISTENS, ApprovedKey, PartnerFact
from shared.eventstore.decider import Event
from shared.messaging.intake import Listens

KEY = {"kty": "OKP", "crv": "Ed25519", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs", "kid": "k1"}


class ClientKeyApproved(Event, frozen=True, tag="registry.ClientKeyApproved.v1"):
    client: str
    kid: str
    use: str
    algorithm: str
    public_key: dict[str, str]
    approved_by: str


class ClientKeyRevoked(Event, frozen=True, tag="registry.ClientKeyRevoked.v1"):
    client: str
    kid: str
    revoked_by: str


class ClientSuspended(Event, frozen=True, tag="registry.ClientSuspended.v1"):
    client: str
    by: str
    reason: str


class ClientResumed(Event, frozen=True, tag="registry.ClientResumed.v1"):
    client: str
    by: str


APPROVED = ClientKeyApproved("bank:demo-a", "k1", "signature", "Ed25519", KEY, "usr_1")


def told(*events: Event) -> PartnerFact:
    """The fact about bank:demo-a after these events, read and written in between as the inbox does."""
    known: PartnerFact | None = None
    for event in events:
        payload: dict[str, Any] = msgspec.to_builtins(event)
        listens: Listens[Any] = next(item for item in LISTENS if item.tag == payload["type"])
        [note] = listens.notes(None, msgspec.convert(payload, listens.event))  # type: ignore[arg-type]
        assert (note.kind, note.key) == (PartnerFact, "bank:demo-a")
        fact = note.update(known)
        assert isinstance(fact, PartnerFact)
        known = msgspec.json.decode(msgspec.json.encode(fact), type=PartnerFact)
    assert known is not None
    return known


def test_approved_signature_keys_gather_and_token_keys_do_not() -> None:
    second = msgspec.structs.replace(APPROVED, kid="k2", algorithm="SM2")
    token = msgspec.structs.replace(APPROVED, kid="t1", use="token")
    assert told(APPROVED, token, second).keys == (ApprovedKey("k1", KEY), ApprovedKey("k2", KEY))
    assert told(token) == PartnerFact("bank:demo-a")


def test_a_key_that_is_approved_again_replaces_itself() -> None:
    other = msgspec.structs.replace(APPROVED, public_key={**KEY, "x": "other"})
    assert told(APPROVED, other, other).keys == (ApprovedKey("k1", {**KEY, "x": "other"}),)


def test_a_revoked_key_is_gone_and_others_stay() -> None:
    second = msgspec.structs.replace(APPROVED, kid="k2")
    assert told(APPROVED, second, ClientKeyRevoked("bank:demo-a", "k1", "usr_1")).keys == (ApprovedKey("k2", KEY),)


def test_a_suspended_client_keeps_its_keys_for_when_it_is_resumed() -> None:
    suspended = told(APPROVED, ClientSuspended("bank:demo-a", "usr_1", "核查"))
    assert (suspended.suspended, len(suspended.keys)) == (True, 1)
    resumed = told(APPROVED, ClientSuspended("bank:demo-a", "usr_1", "核查"), ClientResumed("bank:demo-a", "usr_1"))
    assert resumed == told(APPROVED)


@pytest.mark.parametrize("first", [ClientSuspended("bank:demo-a", "u", "r"), ClientKeyRevoked("bank:demo-a", "k", "u")])
def test_what_comes_before_any_key_is_kept_too(first: Event) -> None:
    assert told(first, APPROVED).keys == (ApprovedKey("k1", KEY),)
    assert told(first, APPROVED).suspended is isinstance(first, ClientSuspended)

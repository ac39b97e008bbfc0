"""Clients: a system is let in by two persons, and so is each of its keys."""

import msgspec
import pytest

from services.registry.domain.client import (
    CLIENT,
    CREDENTIALS,
    ApproveClient,
    ApproveKey,
    ClientApproved,
    ClientKeyApproved,
    ClientKeyRevoked,
    ClientKeySubmitted,
    ClientRequested,
    ClientResumed,
    ClientResumptionRequested,
    ClientSuspended,
    RequestClient,
    RequestResumption,
    ResumeClient,
    RevokeKey,
    SubmitKey,
    SuspendClient,
    decide,
)
from shared.eventstore.decider import Row, Take
from shared.testing.spec import given

NAME, ANN, BO = "bank:demo-a", "usr_ann", "usr_bo"
JWK = {"kty": "OKP", "crv": "Ed25519", "x": "x1", "kid": "k1"}
OTHER = {"kty": "OKP", "crv": "Ed25519", "x": "x2", "kid": "k2"}
REQUESTED = ClientRequested(NAME, "申江示范银行", (NAME,), ANN)
SUBMITTED = ClientKeySubmitted(NAME, "k1", "token", "Ed25519", JWK, ANN)
LATER = ClientKeySubmitted(NAME, "k2", "signature", "Ed25519", OTHER, BO)
KEY_APPROVED = ClientKeyApproved(NAME, "k1", "token", "Ed25519", JWK, BO)
APPROVED = ClientApproved(NAME, (NAME,), BO)
ASKED = ClientResumptionRequested(NAME, ANN, "已续约")
IN = (REQUESTED, SUBMITTED, APPROVED, KEY_APPROVED)


def test_a_client_id_belongs_to_one_client() -> None:
    request = RequestClient(NAME, "申江示范银行", (NAME,), ANN, None)
    given(CLIENT).when(decide, request).then(REQUESTED)
    assert CLIENT.limits(CLIENT.initial(), REQUESTED) == (Take("client/id", NAME),)
    again = msgspec.structs.replace(request, holder="cli_0")
    assert given(CLIENT).when(decide, again).then_rejected("client_exists").extensions == {"id": "cli_0"}


def test_a_client_is_approved_with_its_keys_by_another_person() -> None:
    past = given(CLIENT, REQUESTED, SUBMITTED)
    past.when(decide, ApproveClient(ANN)).then_rejected("second_person_required", 403)
    state = past.when(decide, ApproveClient(BO)).then(APPROVED, KEY_APPROVED)
    assert state.token_key("k1") is not None
    given(CLIENT, *IN).when(decide, ApproveClient(BO)).then_rejected("client_decided")


def test_who_approves_a_client_does_not_approve_the_key_that_he_handed_in() -> None:
    state = given(CLIENT, REQUESTED, LATER).when(decide, ApproveClient(BO)).then(APPROVED)
    assert state.keys["k2"].status == "submitted"


def test_no_key_works_before_the_client_is_approved() -> None:
    past = given(CLIENT, REQUESTED, SUBMITTED)
    assert past.state.token_key("k1") is None
    past.when(decide, ApproveKey("k1", BO)).then_rejected("client_not_approved")


def test_a_later_key_needs_a_second_person_too() -> None:
    past = given(CLIENT, *IN, LATER)
    assert past.state.keys["k2"].status == "submitted"
    past.when(decide, ApproveKey("k2", BO)).then_rejected("second_person_required", 403)
    approved = ClientKeyApproved(NAME, "k2", "signature", "Ed25519", OTHER, ANN)
    state = past.when(decide, ApproveKey("k2", ANN)).then(approved)
    assert state.token_key("k2") is None, "a key for signatures buys no token"
    given(CLIENT, *IN, LATER, approved).when(decide, ApproveKey("k2", ANN)).then_nothing()


def test_a_revoked_key_never_works_again_and_keeps_its_name() -> None:
    revoked = ClientKeyRevoked(NAME, "k1", ANN)
    state = given(CLIENT, *IN).when(decide, RevokeKey("k1", ANN)).then(revoked)
    assert state.token_key("k1") is None
    past = given(CLIENT, *IN, revoked)
    past.when(decide, RevokeKey("k1", BO)).then_nothing()
    past.when(decide, ApproveKey("k1", BO)).then_rejected("key_revoked")
    fresh = SubmitKey("k1", "token", "Ed25519", {**JWK, "x": "x9"}, ANN)
    refused = past.when(decide, fresh).then_rejected("invalid_request", 422)
    assert [(field.pointer, field.code) for field in refused.fields] == [("/public_key/kid", "key.kid_taken")]


def test_one_key_does_not_come_under_two_names() -> None:
    command = SubmitKey("k9", "signature", "Ed25519", {**JWK, "kid": "k9"}, ANN)
    refused = given(CLIENT, *IN).when(decide, command).then_rejected("invalid_request", 422)
    assert refused.fields[0].code == "key.reused"


def test_the_same_key_handed_in_again_changes_nothing() -> None:
    given(CLIENT, *IN).when(decide, SubmitKey("k1", "token", "Ed25519", JWK, BO)).then_nothing()


def test_sm2_signs_messages_and_no_tokens() -> None:
    jwk = {"kty": "EC", "crv": "SM2", "x": "x", "y": "y", "kid": "s1"}
    signing = SubmitKey("s1", "signature", "SM2", jwk, ANN)
    past = given(CLIENT, REQUESTED)
    past.when(decide, signing).then(ClientKeySubmitted(NAME, "s1", "signature", "SM2", jwk, ANN))
    refused = past.when(decide, msgspec.structs.replace(signing, use="token")).then_rejected("invalid_request", 422)
    assert refused.fields[0].pointer == "/public_key/crv"


def test_a_suspended_client_has_no_key_until_it_is_resumed() -> None:
    suspended, asked, resumed = ClientSuspended(NAME, ANN, "合同到期"), ASKED, ClientResumed(NAME, BO)
    state = given(CLIENT, *IN).when(decide, SuspendClient(ANN, "合同到期")).then(suspended)
    assert state.token_key("k1") is None
    past = given(CLIENT, *IN, suspended)
    past.when(decide, SuspendClient(ANN, "再次")).then_rejected("client_not_approved")
    assert past.when(decide, RequestResumption(ANN, "已续约")).then(asked).token_key("k1") is None
    past = given(CLIENT, *IN, suspended, asked)
    assert past.when(decide, ResumeClient(BO)).then(resumed).token_key("k1") is not None
    for command in (RequestResumption(ANN, "已续约"), ResumeClient(BO)):
        given(CLIENT, *IN).when(decide, command).then_rejected("client_not_suspended")


def test_nobody_resumes_a_client_alone() -> None:
    """Not even who did not suspend it: two persons let it in, two let it in again."""
    suspended = ClientSuspended(NAME, ANN, "核查")
    for person in (ANN, BO):
        given(CLIENT, *IN, suspended).when(decide, ResumeClient(person)).then_rejected("resumption_not_requested")
    past = given(CLIENT, *IN, suspended, ASKED)
    past.when(decide, RequestResumption(ANN, "已续约")).then_nothing()
    past.when(decide, ResumeClient(ANN)).then_rejected("second_person_required", 403)


def test_a_request_to_resume_is_used_up() -> None:
    resumed, again = ClientResumed(NAME, BO), ClientSuspended(NAME, BO, "再次核查")
    past = given(CLIENT, *IN, ClientSuspended(NAME, ANN, "核查"), ASKED, resumed, again)
    past.when(decide, ResumeClient(BO)).then_rejected("resumption_not_requested")


@pytest.mark.parametrize("command", [ApproveClient(ANN), RevokeKey("k1", ANN), SuspendClient(ANN, "x")])
def test_what_was_never_asked_for_is_not_found(command: object) -> None:
    given(CLIENT).when(decide, command).then_rejected("not_found", 404)


@pytest.mark.parametrize("command", [ApproveKey("k7", BO), RevokeKey("k7", BO)])
def test_an_unknown_key_is_not_found(command: object) -> None:
    given(CLIENT, *IN).when(decide, command).then_rejected("not_found", 404)


def test_the_row_under_the_client_id_is_the_client_as_it_is() -> None:
    state = CLIENT.fold(IN)
    assert list(CLIENT.rows("cli_1", state, KEY_APPROVED)) == [Row(CREDENTIALS, NAME, state)]

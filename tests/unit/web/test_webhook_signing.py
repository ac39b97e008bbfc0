"""Signatures of webhooks: as published, as the library reads them, and no other message passes for a signed one."""

import json
import string
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from shared.web.webhook_signing import Algorithm, NotGenuine, new_secret, public_key_of, signed_headers, verify

ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = datetime.fromtimestamp(1614265330, UTC)
BODY = b'{"test": 2432232314}'
PUBLISHED = {
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==": (
        "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
    ),
}
"""What the libraries of the specification (v1) and of its authors' server (v1a) are tested with."""
PUBLISHED_V1, PUBLISHED_V1A = PUBLISHED
SECRETS = {"v1": new_secret("v1"), "v1a": new_secret("v1a")}
ALGORITHMS: tuple[Algorithm, ...] = ("v1", "v1a")

ids = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=40)
times = st.integers(0, 4_000_000_000)
bodies = st.text(st.characters(exclude_categories=["Cs"])).map(str.encode)
messages = st.tuples(ids, times, bodies)


def key_of(secret: str) -> str:
    return public_key_of(secret) or secret


def refusal(key: str, headers: dict[str, str], body: bytes = BODY, now: datetime = AT) -> str:
    with pytest.raises(NotGenuine) as refused:
        verify(key, headers, body, now)
    assert str(refused.value) == refused.value.code
    return refused.value.code


@pytest.mark.parametrize("secret", PUBLISHED)
def test_signatures_are_as_published(secret: str) -> None:
    headers = signed_headers([secret], ID, AT, BODY)
    assert headers == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": PUBLISHED[secret],
    }
    assert verify(key_of(secret), headers, BODY, AT) == ID


def test_public_keys_are_as_published() -> None:
    _, private = PUBLISHED
    assert public_key_of(private) == "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
    assert public_key_of("whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=") == public_key_of(private)  # seed alone


def test_the_library_reads_what_is_signed_here() -> None:
    """In any zone: the same moment is the same signature."""
    now = datetime.now(timezone(timedelta(hours=8)))
    headers = signed_headers([SECRETS["v1a"], new_secret("v1"), SECRETS["v1"]], ID, now, BODY)
    assert Webhook(SECRETS["v1"]).verify(BODY, headers) == json.loads(BODY)


def test_what_the_library_signs_is_believed_here() -> None:
    headers = {"webhook-id": ID, "webhook-timestamp": "1614265330"}
    headers["webhook-signature"] = Webhook(SECRETS["v1"]).sign(ID, AT, BODY.decode())
    assert verify(SECRETS["v1"], headers, BODY, AT) == ID


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_while_secrets_change_both_believe_the_newest_first(algorithm: Algorithm) -> None:
    old, new = SECRETS[algorithm], new_secret(algorithm)
    headers = signed_headers([new, old], ID, AT, BODY)
    first, second = headers["webhook-signature"].split(" ")
    assert first == signed_headers([new], ID, AT, BODY)["webhook-signature"]
    assert second == signed_headers([old], ID, AT, BODY)["webhook-signature"]
    for secret in (new, old):
        assert verify(key_of(secret), headers, BODY, AT) == ID
    assert refusal(key_of(new_secret(algorithm)), headers) == "webhook_wrong"


@pytest.mark.parametrize("written", [str.upper, str.title, str.lower])
def test_names_of_fields_are_read_in_any_case(written: Callable[[str], str]) -> None:
    headers = {written(name): value for name, value in signed_headers([SECRETS["v1"]], ID, AT, BODY).items()}
    assert verify(SECRETS["v1"], headers, BODY, AT) == ID


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(id=ids, seconds=times, body=bodies)
def test_what_is_signed_is_genuine(algorithm: Algorithm, id: str, seconds: int, body: bytes) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    headers = signed_headers([SECRETS[algorithm]], id, at, body)
    assert verify(key_of(SECRETS[algorithm]), headers, body, at) == id


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(messages, messages, st.tuples(st.booleans(), st.booleans(), st.booleans()), st.booleans())
def test_any_other_id_time_body_or_key_is_refused(
    algorithm: Algorithm,
    signed: tuple[str, int, bytes],
    other: tuple[str, int, bytes],
    changed: tuple[bool, bool, bool],
    other_key: bool,
) -> None:
    id = (other if changed[0] else signed)[0]
    seconds = (other if changed[1] else signed)[1]
    body = (other if changed[2] else signed)[2]
    secret = new_secret(algorithm) if other_key else SECRETS[algorithm]
    headers = signed_headers([SECRETS[algorithm]], signed[0], datetime.fromtimestamp(signed[1], UTC), signed[2])
    claimed = {**headers, "webhook-id": id, "webhook-timestamp": str(seconds)}
    now = datetime.fromtimestamp(seconds, UTC)
    if (id, seconds, body) == signed and not other_key:
        assert verify(key_of(secret), claimed, body, now) == id
    else:
        assert refusal(key_of(secret), claimed, body, now) == "webhook_wrong"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(data=st.data())
def test_a_signature_with_any_figure_changed_is_refused(algorithm: Algorithm, data: st.DataObject) -> None:
    headers = signed_headers([SECRETS[algorithm]], ID, AT, BODY)
    version, _, text = headers["webhook-signature"].partition(",")
    place = data.draw(st.integers(0, len(text.rstrip("=")) - 2))  # the last figure has bits to spare
    turned = data.draw(
        st.sampled_from(string.ascii_letters + string.digits + "+/= ,").filter(lambda c: c != text[place])
    )
    headers["webhook-signature"] = f"{version},{text[:place]}{turned}{text[place + 1 :]}"
    assert refusal(key_of(SECRETS[algorithm]), headers) == "webhook_wrong"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(-300, None), (300, None), (301, "webhook_stale"), (-301, "webhook_future"), (10**9, "webhook_stale")],
)
def test_a_message_is_believed_for_five_minutes_before_and_after(seconds: int, code: str | None) -> None:
    headers, now = signed_headers([SECRETS["v1"]], ID, AT, BODY), AT + timedelta(seconds=seconds)
    if code is None:
        assert verify(SECRETS["v1"], headers, BODY, now) == ID
    else:
        assert refusal(SECRETS["v1"], headers, now=now) == code


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_field_is_needed(name: str) -> None:
    headers = signed_headers([SECRETS["v1"]], ID, AT, BODY)
    assert refusal(SECRETS["v1"], {**headers, name: ""}) == "webhook_missing"
    del headers[name]
    assert refusal(SECRETS["v1"], headers) == "webhook_missing"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("webhook-timestamp", text)
            for text in ("1614265330.0", "01614265330", "+1614265330", " 1614265330", "٣", "-1")
        ),
        *(("webhook-timestamp", text) for text in ("9" * 13, "nan", "1_614_265_330")),
        *(("webhook-id", text) for text in ("msg.1", "msg 1", "消息", "m" * 201)),
    ],
)
def test_what_is_no_id_and_no_number_of_seconds_is_malformed(name: str, value: str) -> None:
    headers = {**signed_headers([SECRETS["v1"]], ID, AT, BODY), name: value}
    assert refusal(SECRETS["v1"], headers) == "webhook_malformed"


@pytest.mark.parametrize("signature", ["v1", "v1,", "v1,%%%", "v2,AAAA", ",", "v1a,签名", " ", "v1," + "A" * 99])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_no_signature_is_passed_over(algorithm: Algorithm, signature: str) -> None:
    headers = signed_headers([SECRETS[algorithm]], ID, AT, BODY)
    genuine = headers["webhook-signature"]
    assert refusal(key_of(SECRETS[algorithm]), {**headers, "webhook-signature": signature}) == "webhook_wrong"
    headers["webhook-signature"] = f"{signature} {genuine}"
    assert verify(key_of(SECRETS[algorithm]), headers, BODY, AT) == ID


def test_a_signature_of_one_kind_is_none_of_the_other() -> None:
    """Else whoever knows the public key could sign with it, as a shared secret."""
    public = key_of(SECRETS["v1a"])
    as_shared = "whsec_" + public.removeprefix("whpk_")
    assert refusal(public, signed_headers([as_shared], ID, AT, BODY)) == "webhook_wrong"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_body_that_is_no_text_is_neither_signed_nor_believed(algorithm: Algorithm) -> None:
    with pytest.raises(ValueError, match="utf-8"):
        signed_headers([SECRETS[algorithm]], ID, AT, b"\xff")
    assert (
        refusal(key_of(SECRETS[algorithm]), signed_headers([SECRETS[algorithm]], ID, AT, BODY), b"\xff")
        == "webhook_wrong"
    )


def test_times_without_a_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        signed_headers([SECRETS["v1"]], ID, AT.replace(tzinfo=None), BODY)
    with pytest.raises(ValueError, match="zone"):
        verify(SECRETS["v1"], signed_headers([SECRETS["v1"]], ID, AT, BODY), BODY, AT.replace(tzinfo=None))


def test_nothing_is_signed_with_nothing_nor_under_an_id_that_could_be_read_otherwise() -> None:
    with pytest.raises(ValueError, match="nothing to sign with"):
        signed_headers([], ID, AT, BODY)
    with pytest.raises(ValueError, match="an id is"):
        signed_headers([SECRETS["v1"]], "msg.1", AT, BODY)


@pytest.mark.parametrize(
    "unusable",
    [
        "",
        "whsec_",
        "whsec_签",
        "whsec_" + b64encode(bytes(23)).decode(),
        "whsec_" + b64encode(bytes(65)).decode(),
        "whsk_" + b64encode(bytes(31)).decode(),
        "whsk_" + b64encode(bytes(64)).decode(),
        "whpk_" + b64encode(bytes(32)).decode(),
        PUBLISHED_V1A[5:],
        PUBLISHED_V1[:-3] + "!!!",
    ],
)
def test_an_unusable_secret_is_refused_and_not_repeated(unusable: str) -> None:
    with pytest.raises(ValueError, match=r"^(not whs|the halves)") as refused:
        signed_headers([unusable], ID, AT, BODY)
    with pytest.raises(ValueError, match=r"^not wh") as refused_key:
        verify(unusable.replace("whpk_", "whsk_"), signed_headers([SECRETS["v1"]], ID, AT, BODY), BODY, AT)
    for error in (refused.value, refused_key.value):
        assert len(unusable) < 9 or unusable[6:] not in repr(error)
        assert error.__cause__ is None
        assert error.__suppress_context__ or error.__context__ is None


def test_secrets_are_random_and_of_the_lengths_of_the_specification() -> None:
    assert len({new_secret(algorithm) for algorithm in ALGORITHMS for _ in range(8)}) == 16
    assert SECRETS["v1"].startswith("whsec_")
    assert public_key_of(SECRETS["v1"]) is None
    assert SECRETS["v1a"].startswith("whsk_")
    assert key_of(SECRETS["v1a"]).startswith("whpk_")

"""An endpoint is registered once, changed, disabled and enabled; what it held is given back when it is removed."""

from datetime import UTC, datetime, timedelta

from services.notify.domain.webhook_endpoint import (
    MOST_ENDPOINTS,
    MOST_KEPT,
    MOST_SECRETS,
    OVERLAP,
    WEBHOOK_ENDPOINT,
    ChooseTypes,
    DisableEndpoint,
    EnableEndpoint,
    RegisterEndpoint,
    RemoveEndpoint,
    RequestTest,
    RotateSecret,
    WebhookEndpointDisabled,
    WebhookEndpointEnabled,
    WebhookEndpointRegistered,
    WebhookEndpointRemoved,
    WebhookSecretRotated,
    WebhookTestRequested,
    WebhookTypesChosen,
    decide,
    limits,
)
from shared.eventstore.decider import Release, ReleasePlace, Take, TakePlace
from shared.values.personal import Sealed

from .spec import given

ID, URL = "whe_1", "https://app.example.sh.cn/webhooks"
FIRST, SECOND, THIRD = (Sealed[str](ID, "SM4-GCM", 0, box) for box in (b"1", b"2", b"3"))
AT = datetime(2025, 3, 3, tzinfo=UTC)
REGISTERED = WebhookEndpointRegistered(ID, "app", URL, ("claim.paid",), "v1", FIRST)
GONE = WebhookEndpointDisabled(ID, "gone")
REMOVED = WebhookEndpointRemoved(ID, "app", URL)


def register(holder: str | None = None, taken: int = 0) -> RegisterEndpoint:
    return RegisterEndpoint(ID, "app", URL, ("claim.paid",), "v1", FIRST, None, holder, taken)


def test_an_address_is_registered() -> None:
    given(WEBHOOK_ENDPOINT).when(decide, register()).then(REGISTERED)


def test_an_address_is_registered_once_and_few_of_them() -> None:
    taken = given(WEBHOOK_ENDPOINT).when(decide, register(holder="whe_0")).refused("webhook_endpoint_exists")
    assert taken.extensions == {"id": "whe_0"}
    too_many = given(WEBHOOK_ENDPOINT).when(decide, register(taken=MOST_ENDPOINTS))
    too_many.refused("too_many_webhook_endpoints")


def test_what_is_taken_at_registration_is_given_back_at_removal() -> None:
    taken = limits(WEBHOOK_ENDPOINT.initial(), REGISTERED)
    given_back = limits(WEBHOOK_ENDPOINT.fold([REGISTERED]), REMOVED)
    place = ("webhook/endpoint", "app", MOST_ENDPOINTS)
    assert taken == (Take("webhook/url", f"app {URL}"), TakePlace(*place))
    assert given_back == (Release("webhook/url", f"app {URL}"), ReleasePlace(*place))


def test_types_are_chosen() -> None:
    chosen = given(WEBHOOK_ENDPOINT, REGISTERED)
    chosen.when(decide, ChooseTypes(())).then(WebhookTypesChosen(ID, ()))
    chosen.when(decide, ChooseTypes(("claim.paid",))).then()


def test_a_replaced_secret_signs_for_a_day_beside_those_that_replace_it() -> None:
    later = AT + timedelta(hours=1)
    second = WebhookSecretRotated(ID, SECOND, AT + OVERLAP)
    third = WebhookSecretRotated(ID, THIRD, later + OVERLAP)
    given(WEBHOOK_ENDPOINT, REGISTERED).when(decide, RotateSecret(SECOND, None, AT)).then(second)
    endpoint = WEBHOOK_ENDPOINT.fold([REGISTERED, second])
    assert [secret.value for secret in endpoint.signing(AT)] == [SECOND, FIRST]
    assert [secret.version for secret in endpoint.signing(AT)] == [2, 1]
    assert [secret.value for secret in endpoint.signing(AT + OVERLAP)] == [SECOND]
    endpoint = WEBHOOK_ENDPOINT.fold([REGISTERED, second, third])
    assert [secret.value for secret in endpoint.signing(later)] == [THIRD, SECOND, FIRST]
    assert [secret.value for secret in endpoint.signing(AT + OVERLAP)] == [THIRD, SECOND]
    assert [secret.value for secret in endpoint.signing(later + OVERLAP)] == [THIRD]


def test_few_secrets_sign_at_a_time() -> None:
    rotated = [WebhookSecretRotated(ID, SECOND, AT + OVERLAP) for _ in range(2 * MOST_SECRETS)]
    assert len(WEBHOOK_ENDPOINT.fold([REGISTERED, *rotated]).signing(AT)) == MOST_SECRETS


def test_a_disabled_endpoint_is_tested_only_after_it_has_been_enabled() -> None:
    given(WEBHOOK_ENDPOINT, REGISTERED).when(decide, DisableEndpoint("gone")).then(GONE)
    disabled = given(WEBHOOK_ENDPOINT, REGISTERED, GONE)
    disabled.when(decide, DisableEndpoint("asked")).then()
    disabled.when(decide, RequestTest("tst_1")).refused("webhook_endpoint_disabled")
    disabled.when(decide, EnableEndpoint()).then(WebhookEndpointEnabled(ID))
    enabled = given(WEBHOOK_ENDPOINT, REGISTERED, GONE, WebhookEndpointEnabled(ID))
    assert (enabled.state.status, enabled.state.reason) == ("enabled", None)
    enabled.when(decide, EnableEndpoint()).then()
    enabled.when(decide, RequestTest("tst_1")).then(WebhookTestRequested(ID, "tst_1"))


def test_of_a_removed_endpoint_nothing_is_known() -> None:
    given(WEBHOOK_ENDPOINT, REGISTERED).when(decide, RemoveEndpoint()).then(REMOVED)
    removed = given(WEBHOOK_ENDPOINT, REGISTERED, REMOVED)
    for command in (EnableEndpoint(), DisableEndpoint("asked"), RemoveEndpoint(), ChooseTypes(()), RequestTest("t")):
        removed.when(decide, command).refused("not_found", 404)
        given(WEBHOOK_ENDPOINT).when(decide, command).refused("not_found", 404)


def test_a_worn_endpoint_can_only_be_stopped() -> None:
    changes = [WebhookTestRequested(ID, f"tst_{n}") for n in range(MOST_KEPT - 1)]
    worn = given(WEBHOOK_ENDPOINT, REGISTERED, *changes)
    worn.when(decide, RequestTest("t")).refused("webhook_endpoint_worn")
    worn.when(decide, DisableEndpoint("asked")).then(WebhookEndpointDisabled(ID, "asked"))
    worn.when(decide, RemoveEndpoint()).then(REMOVED)

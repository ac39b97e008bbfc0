"""What an endpoint asks of the store, heard without HTTP: the same needs, handler, context and idempotency key."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import uuid4

from fastapi import Request

from shared.eventstore.calls import Context
from shared.eventstore.needs import IdempotencyKey, Needs
from shared.eventstore.work import Handler
from shared.vault.keys import Keyring
from shared.web.caller import Caller

NEVER = float("inf")


class Asked(NamedTuple):
    """The arguments of `Store.carry_out`."""

    needs: Needs
    handler: Handler
    context: Context
    key: IdempotencyKey | None


class _Heard(Exception):
    """Ends an endpoint where the store would begin."""

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self.asked = asked


class _Ear:
    """Stands where a service's store stands."""

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring

    async def carry_out(self, *asked: Any) -> None:
        raise _Heard(Asked(*asked))


async def asked_by(
    endpoint: Callable[..., Awaitable[Any]],
    body: bytes,
    *,
    caller: Caller,
    keyring: Keyring,
    arguments: dict[str, Any] | None = None,
) -> Asked:
    """Call an endpoint's function as its route does, up to the store. `arguments` are those beside the request."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/claims",
        "headers": [(b"idempotency-key", str(uuid4()).encode())],
        "caller": caller,
        "app": SimpleNamespace(state=SimpleNamespace(store=_Ear(keyring))),
    }
    try:
        await endpoint(Request(scope, receive), **(arguments or {}))
    except _Heard as heard:
        return heard.asked
    raise RuntimeError(f"{endpoint.__name__} asked nothing of the store")


def system(client: str, *roles: str) -> Caller:
    return Caller(client, None, roles, NEVER)


def person(name: str, *roles: str) -> Caller:
    return Caller("staff", name, roles, NEVER)

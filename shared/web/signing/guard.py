"""The server's side of signed exchange: a request is verified before its endpoint runs, the answer is signed."""

import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import NamedTuple

from fastapi import Request
from fastapi.responses import Response
from starlette.types import Scope

from shared.web.answered import answered
from shared.web.caller import Caller, caller_of, unauthenticated
from shared.web.signing.declared import SIGNERS
from shared.web.signing.keys import Algorithm, PublicKey, new_key
from shared.web.signing.messages import Request as SeenRequest
from shared.web.signing.messages import Response as SeenResponse
from shared.web.signing.messages import joined
from shared.web.signing.nonces import Nonce, NonceBook
from shared.web.signing.own_keys import OwnKeys
from shared.web.signing.profile import Claimed, Policy
from shared.web.signing.refusals import Refused
from shared.web.signing.requests import asked_algorithm, checked_request
from shared.web.signing.responses import sign_response
from shared.web.signing.scribe import Scribe

Handle = Callable[[Request], Awaitable[Response]]
KeyOf = Callable[[str, str], Awaitable[PublicKey | None]]
"""The approved signature key of a client by its key id; None: there is none, or the client is suspended.

Raises a 503 where that cannot be told now.
"""


class Guard(NamedTuple):
    """All that a service needs to exchange signed messages with its partners."""

    key_of: KeyOf
    nonces: NonceBook
    keys: OwnKeys
    scribe: Scribe
    policy: Policy
    clock: Callable[[], float] = time.time

    async def exchange(self, request: Request, handle: Handle) -> Response:
        """Answer a bank's request, signed; answer anybody else's as it is. Raises a 401, a 503, or `NoKeyNow`."""
        caller = caller_of(request)
        if not caller.holds(SIGNERS):
            return await handle(request)
        seen = seen_request(request.scope)
        try:
            found = await self._verified(caller, seen, await request.body())
            algorithm = asked_algorithm(seen, found.algorithm)
        except Refused as refused:
            raise unauthenticated(refused.code, refused.detail) from None
        key = self.keys.signing(algorithm)
        response = await answered(request, handle)
        answer = SeenResponse(response.status_code, joined(response.headers.items()), seen)
        added = await sign_response(
            answer, bytes(response.body), found.label, key, self.scribe, self.policy, self.clock()
        )
        response.headers.update(added)
        return response

    async def _verified(self, caller: Caller, seen: SeenRequest, body: bytes) -> Claimed:
        """The request's signature, which is used up now. Raises `Refused`."""
        found = await checked_request(seen, body, self.policy, self.clock())
        key = await self.key_of(caller.client, found.keyid)
        # Without such a key the signature is held against nobody's: whether there is one is not told by the time.
        fitting = key if key is not None and key.algorithm == found.algorithm else _decoy(found.algorithm)
        holds = await self.scribe.verify(fitting, found.base(seen), found.signature)
        if key is None:
            raise Refused("signature_key_unknown")
        if key.algorithm != found.algorithm:
            raise Refused("signature_weak")
        if not holds:
            raise Refused("signature_invalid")
        usable_until = found.expires + self.policy.skew
        if not await self.nonces.use(Nonce(f"{caller.client}/{found.keyid}", found.nonce, usable_until)):
            raise Refused("signature_replayed")
        return found


@cache
def _decoy(algorithm: Algorithm) -> PublicKey:
    return new_key(algorithm, "decoy").public


def seen_request(scope: Scope) -> SeenRequest:
    """The request as its sender saw it: the path and the query as they came, the authority of its `Host`."""
    headers = joined((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    return SeenRequest(
        method=scope["method"],
        scheme=scope["scheme"],
        authority=headers.get("host", ""),
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
    )

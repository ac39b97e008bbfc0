"""Keys of partners that have not arrived yet: registry is asked once before a key is called unknown."""

import asyncio
import time
from collections import OrderedDict
from urllib.parse import quote

import msgspec

from services.loans.intake.partners import ApprovedKey, PartnerFact, found_in
from shared.eventstore.needs import Needs, fact_of
from shared.eventstore.store import Store
from shared.web.peers import Peers, PeerUnavailable
from shared.web.problem import Problem
from shared.web.signing.keys import PublicKey

KEPT_SECONDS = 3.0
"""How long registry's answer is kept, whatever it was: how often it is asked about one client at most."""
PATIENCE = 3.0
MOST_KEPT = 1000


class Told(msgspec.Struct, frozen=True):
    """Registry's answer about a client: the keys of it that sign messages now."""

    keys: tuple[ApprovedKey, ...] = ()


class PartnerKeys:
    """Finds a client's approved key: in what has arrived, else in what registry says now.

    Registry tells all keys of a client at once and nothing else is asked about that client for `KEPT_SECONDS`, so
    that no number of made-up key ids makes it busy.
    """

    def __init__(self, store: Store, peers: Peers) -> None:
        self._store = store
        self._peers = peers
        self._told: OrderedDict[str, tuple[float, Told | None]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Told | None]] = {}

    async def __call__(self, client: str, kid: str) -> PublicKey | None:
        """None where registry knows no such key either. Raises a 503 when it cannot be asked."""
        partner = (await self._store.look(Needs(facts=(fact_of(PartnerFact, client),)))).fact(PartnerFact, client)
        if partner is not None and not partner.suspended and any(key.kid == kid for key in partner.keys):
            return found_in(partner.keys, kid)
        told = await self._ask(client)
        if told is None:
            raise Problem(503, "owner_unavailable", "暂时无法核对验签密钥，请稍后重试", headers={"Retry-After": "3"})
        return found_in(told.keys, kid)

    async def _ask(self, client: str) -> Told | None:
        """What registry says of the client, None when it is away; whoever comes meanwhile waits for the same answer."""
        kept = self._told.get(client)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        asking = self._asking.get(client)
        if asking is None:
            asking = self._asking[client] = asyncio.create_task(self._asked(client), name=f"keys of {client}")
        return await asyncio.shield(asking)

    async def _asked(self, client: str) -> Told | None:
        told: Told | None = None
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._peers.get("registry", f"/v1/client-keys/{quote(client, safe='')}")
            told = Told() if answer is None else msgspec.convert(answer, Told)
        except (PeerUnavailable, TimeoutError):
            pass
        finally:
            del self._asking[client]
        self._told[client] = time.monotonic() + KEPT_SECONDS, told
        self._told.move_to_end(client)
        if len(self._told) > MOST_KEPT:
            self._told.popitem(last=False)
        return told

"""Issuers of tokens, whose keys come from a file or a URL: kept while the issuer is away, asked for again in time."""

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import structlog
from joserfc import jwk
from joserfc.errors import JoseError

from shared.runtime.settings import IssuerSettings
from shared.web.problem import Problem

KEYS_SECONDS = 300.0
"""How old keys may be before the issuer is asked again: a key that was withdrawn is believed no longer."""
PAUSE_SECONDS = 3.0
"""How often an issuer is asked at most, whatever unknown keys turn up."""
TIMEOUT = httpx.Timeout(3.0, connect=1.0)

log = structlog.get_logger(__name__)


class KeysWanted(Exception):
    """A token cannot be judged before its issuer's keys have been fetched."""

    def __init__(self, issuer: "Issuer") -> None:
        super().__init__(issuer.settings.name)
        self.issuer = issuer


class Issuer:
    """An issuer and its keys as they were when last seen."""

    def __init__(self, settings: IssuerSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.settings = settings
        self._transport = transport
        self._keys: dict[str, jwk.Key] = {}
        self._when_withdrawn: list[Callable[[], None]] = []
        self._seen_at = self._asked_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        if not self._remote:
            self._read()

    def when_withdrawn(self, forget: Callable[[], None]) -> None:
        """Call this whenever a key is gone that was there: what was believed under it is believed no longer."""
        self._when_withdrawn.append(forget)

    @property
    def _remote(self) -> bool:
        return self.settings.jwks.startswith(("http://", "https://"))

    def key(self, kid: str) -> jwk.Key:
        """The key of this name. Raises `KeysWanted` when it is time to ask, a 503 when the issuer was never seen.

        A key that it does not have is a KeyError.
        """
        now = time.monotonic()
        known = self._keys.get(kid)
        fresh = self._seen_at + KEYS_SECONDS > now
        if (known is None or not fresh) and (self._fetching is not None or self._asked_at + PAUSE_SECONDS <= now):
            raise KeysWanted(self)
        if self._seen_at == float("-inf"):
            raise Problem(
                503,
                "issuer_unavailable",
                "暂时无法取得登录凭证签发方的公钥，请稍后重试",
                headers={"Retry-After": "3"},
            )
        if known is None:
            raise KeyError(kid)
        return known

    async def fetch(self) -> None:
        """Ask for the keys; whoever comes meanwhile waits for the same answer. A failure leaves them as they were."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._refresh(), name=f"keys of {self.settings.name}")
        await asyncio.shield(self._fetching)

    async def _refresh(self) -> None:
        try:
            if self._remote:
                self._keep(await self._get())
            else:
                self._read()
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, msgspec.MsgspecError) as error:
            log.warning("issuer_keys_unavailable", issuer=self.settings.name, error=type(error).__name__)
        finally:
            self._asked_at = time.monotonic()
            self._fetching = None

    async def _get(self) -> bytes:
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, transport=self._transport) as http:
            answer = await http.get(self.settings.jwks)
        return answer.raise_for_status().content

    def _read(self) -> None:
        self._keep(Path(self.settings.jwks).read_bytes())

    def _keep(self, document: bytes) -> None:
        found = msgspec.json.decode(document, type=dict[str, Any]).get("keys")
        if not isinstance(found, list):
            raise ValueError("no JWK set")
        before, self._keys = self._keys, dict(_usable(found))
        if any(
            self._keys.get(kid) is None or self._keys[kid].as_dict() != key.as_dict() for kid, key in before.items()
        ):
            for withdrawn in self._when_withdrawn:
                withdrawn()
        self._seen_at = time.monotonic()


def _usable(found: Iterable[Any]) -> Iterable[tuple[str, jwk.Key]]:
    """The public signing keys that have a name; others are not for us (RFC 7517 section 5)."""
    for item in found:
        if not isinstance(item, dict) or item.get("kty") == "oct" or item.get("use", "sig") != "sig":
            continue
        try:
            key = jwk.import_key(item)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key.kid, str):
            yield key.kid, key

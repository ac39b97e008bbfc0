"""Issuers of tokens, whose keys come from a file or a URL: kept while the issuer is away, asked for again in time."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
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
        self._keys: tuple[jwk.Key, ...] = ()
        self._named: dict[str, jwk.Key] = {}
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

    def key(self, kid: str | None, algorithm: str) -> jwk.Key:
        """The key of this name. Raises `KeysWanted` when it is time to ask, a 503 when the issuer was never seen.

        Without a name, the only key that fits the algorithm (OpenID Connect Core section 10.1). A key that it does
        not have is a KeyError.
        """
        now = time.monotonic()
        known = self._only(algorithm) if kid is None else self._named.get(kid)
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

    def _only(self, algorithm: str) -> jwk.Key | None:
        fitting = [key for key in self._keys if _fits(key.as_dict(private=False), algorithm)]
        return fitting[0] if len(fitting) == 1 else None

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
        before, self._keys = self._keys, tuple(_usable(found))
        self._named = {key.kid: key for key in self._keys if isinstance(key.kid, str)}
        still = [key.as_dict() for key in self._keys]
        if any(key.as_dict() not in still for key in before):
            for withdrawn in self._when_withdrawn:
                withdrawn()
        self._seen_at = time.monotonic()


def _usable(found: Iterable[Any]) -> Iterable[jwk.Key]:
    """The public signing keys; others are not for us (RFC 7517 section 5)."""
    for item in found:
        if not isinstance(item, dict) or item.get("kty") == "oct" or item.get("use", "sig") != "sig":
            continue
        try:
            yield jwk.import_key(item)
        except (JoseError, ValueError, TypeError, KeyError):
            continue


_CURVES = {"Ed25519": "Ed25519", "Ed448": "Ed448", "ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    """Whether a JWK is for this algorithm of JWS (RFC 7518, RFC 9864)."""
    if key.get("alg", algorithm) != algorithm:
        return False
    if algorithm in _CURVES:
        return key.get("crv") == _CURVES[algorithm]
    return key.get("kty") == ("OKP" if algorithm == "EdDSA" else "RSA")

"""Lets the systems of a local stack in, as staff would: one person asks and hands in the keys, another approves."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

from joserfc.jwk import OKPKey

from deploy.local.client import Client
from deploy.local.clients import system_key
from deploy.local.endpoints import Endpoints
from deploy.local.settings import SERVICES, StackSettings
from deploy.local.tokens import SYSTEMS
from shared.web.client_key import KEY_FILE, client_key, public_part

ASKS, APPROVES = "ops", "city"
"""The two persons of the sandbox."""


async def onboard(settings: StackSettings, endpoints: Endpoints) -> None:
    """Every system of the sandbox and every service is an approved client with its key; what is so already stays."""
    keys = {name: system_key(Path(settings.directory), name) for name in SYSTEMS}
    keys |= {f"service:{name}": client_key(settings.secret(name, KEY_FILE)) for name in SERVICES}
    async with Client(endpoints, f"onboard/{uuid4()}") as client:
        known = {item["client_id"]: item for item in await client.all(ASKS, "registry", "/v1/clients")}
        await asyncio.gather(*(_let_in(client, name, key, known.get(name)) for name, key in keys.items()))


async def _let_in(client: Client, name: str, key: OKPKey, shown: dict[str, Any] | None) -> None:
    """One client, from wherever an earlier start has left it."""
    if shown is None:
        shown = await _requested(client, name)
    path, kid = f"/v1/clients/{shown['id']}", str(key.kid)
    if kid not in {item["kid"] for item in shown["keys"]}:
        body = {"use": "token", "public_key": public_part(key)}
        shown = (await client.post(ASKS, "registry", f"{path}/keys", body, step=f"{name}/key")).body
    if shown["status"] == "requested":
        shown = (await client.post(APPROVES, "registry", f"{path}:approve", step=f"{name}/approve")).body
    if {item["kid"]: item["status"] for item in shown["keys"]}[kid] == "submitted":
        await client.post(APPROVES, "registry", f"{path}/keys/{kid}:approve", step=f"{name}/key/approve")


async def _requested(client: Client, name: str) -> dict[str, Any]:
    body = {"client_id": name, "name": f"沙箱系统 {name}", "scopes": [name]}
    made = await client.post(ASKS, "registry", "/v1/clients", body, step=f"{name}/request", expect=(409,))
    if made.status == 409:
        made = await client.get(ASKS, "registry", f"/v1/clients/{made.id}")
    shown: dict[str, Any] = made.body
    return shown

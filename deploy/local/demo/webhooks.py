"""The app's own backend hears of every message: its endpoint is registered once per stack, its webhooks awaited."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx

from deploy.local import settings
from deploy.local.app_backend.place import add_key, is_app_backend, key_directory, keys_in, url_of
from deploy.local.client import Client
from deploy.local.failures import StackFailed

ENDPOINTS = "/v1/webhook-endpoints"
PATIENCE = 120.0
"""Seconds without any of the missing messages coming: services may be killed all the time meanwhile."""
PAUSE = 0.1
SHOWN = 5


async def register(client: Client, directory: Path) -> str:
    """Have the app backend hear of all messages from now on; returns the endpoint's id. A second demo finds it there.

    An endpoint at a port that the app backend had before is removed: nobody answers there.
    """
    stack = settings.read(directory)
    url, keys = url_of(stack), key_directory(stack)
    for item in await client.all("app", "notify", ENDPOINTS):
        if is_app_backend(item["url"]) and item["url"] != url and item["status"] != "removed":
            await client.post("app", "notify", f"{ENDPOINTS}/{item['id']}:remove", step=f"webhook/{item['id']}/remove")
    wanted = {"url": url, "types": [], "signature": "v1"}
    answer = await client.post("app", "notify", ENDPOINTS, wanted, step="webhook/register", expect=(409,))
    if answer.status == 409 and answer.code != "webhook_endpoint_exists":
        raise StackFailed(f"the app backend cannot be told of messages: {answer.code}")
    path = f"{ENDPOINTS}/{answer.id}"
    if answer.status == 409:
        if not any(keys_in(keys, answer.id)):
            rotated = await client.post("app", "notify", f"{path}:rotate-secret", step="webhook/rotate")
            add_key(keys, answer.id, _key(rotated.body))
        await client.post("app", "notify", f"{path}:enable", step="webhook/enable")
    else:
        add_key(keys, answer.id, _key(answer.body))
    return answer.id


def _key(shown: dict[str, Any]) -> str:
    return str(shown["secret"] or shown["public_key"])


async def messages_of(client: Client, persons: Iterable[str]) -> list[str]:
    """The ids of all messages to these persons."""
    inboxes = await asyncio.gather(
        *(client.all("app", "notify", f"/v1/messages?person_id={person}") for person in persons)
    )
    return [str(message["id"]) for inbox in inboxes for message in inbox]


async def all_heard(
    client: Client,
    directory: Path,
    endpoint: str,
    messages: Iterable[str],
    transport: httpx.AsyncBaseTransport | None = None,
) -> None:
    """Return when the app backend has each of these messages. Raises StackFailed with those that do not come."""
    url, missing, seen = url_of(settings.read(directory)), set(messages), 0
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    async with httpx.AsyncClient(trust_env=False, transport=transport) as http:
        while missing:
            ids = await _heard(http, url, seen)
            seen += len(ids)
            if not missing.isdisjoint(ids):
                missing.difference_update(ids)
                deadline = loop.time() + PATIENCE
            elif loop.time() > deadline:
                raise StackFailed(await _lacking(client, endpoint, missing))
            else:
                await asyncio.sleep(PAUSE)


async def _heard(http: httpx.AsyncClient, url: str, after: int) -> list[str]:
    """The ids that have come behind the first `after`; none while nobody answers."""
    try:
        answer = await http.get(url, params={"after": after})
    except httpx.TransportError:
        return []
    ids: list[str] = answer.raise_for_status().json()["ids"]
    return ids


async def _lacking(client: Client, endpoint: str, missing: set[str]) -> str:
    shown = (await client.get("app", "notify", f"{ENDPOINTS}/{endpoint}")).body
    standing = f"{shown['status']}, {shown['waiting']} waiting, {shown['given_up']} given up"
    some = ", ".join(sorted(missing)[:SHOWN])
    return f"the app backend has not been told of {len(missing)} messages ({endpoint}: {standing}): {some}"

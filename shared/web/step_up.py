"""Step-up (RFC 9470): the riskiest decisions need somebody who has signed in surely and just now."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from shared.web.caller import Caller
from shared.web.problem import Problem

ACR = "urn:huchuang:acr:2"
MAX_AGE = 600
"""Seconds since the person signed in."""

C = TypeVar("C", bound=Callable[..., Any])


def steps_up(endpoint: C) -> C:
    """Declare, beside `@allow`, that an endpoint needs a person with `ACR` who signed in within `MAX_AGE`."""
    endpoint.__steps_up__ = True  # type: ignore[attr-defined]
    return endpoint


def needs_step_up(endpoint: Callable[..., Any]) -> bool:
    return bool(getattr(endpoint, "__steps_up__", False))


def check_step_up(caller: Caller) -> None:
    """Raises a 403 for a system and a 401 for a person who has to sign in again.

    An `auth_time` that lies ahead counts as now: only the sandbox's issuer is believed when it says so.
    """
    _ = caller.person
    if caller.acr == ACR and caller.auth_time is not None and time.time() - caller.auth_time <= MAX_AGE:
        return
    challenge = f'error="insufficient_user_authentication", acr_values="{ACR}", max_age={MAX_AGE}'
    raise Problem(
        401,
        "step_up_required",
        f"这项操作须在 {MAX_AGE // 60} 分钟内以更高的认证等级重新登录后办理",
        extensions={"acr_values": ACR, "max_age": MAX_AGE},
        headers={"WWW-Authenticate": f'Bearer realm="huchuang", {challenge}'},
    )

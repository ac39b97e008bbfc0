"""What the tests tell the stack to do, and what the demo city's roads predict."""

from collections import Counter
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace

from deploy.local.client import Client
from deploy.local.clock import settle
from deploy.local.commands.verify import all_checks
from deploy.local.demo import setting, training
from deploy.local.demo.claims import PROGRAMME
from deploy.local.demo.run import Figures, Outcome, Story, begin, demo, one_at_a_time
from deploy.local.demo.training import Registered
from deploy.local.endpoints import Endpoints
from shared.testing.city import Channel, City, ClaimPlan, Founder, Road, Stage
from shared.values.calendar import shanghai_date

LAST_ISSUE = date(2025, 12, 1)
"""Certificates of tests are never younger: for those of 2026 there is no confirmed policy."""

_ISSUED = 1
_PAID = ("submitted", "reviewed", "approved", "noticed", "notice_ended", "payment_ordered", "paid")
_REFUSED = ("submitted", "rejected")
MESSAGES = {
    Road.PAID: _PAID,
    Road.DUPLICATE_CHANNELS: _PAID,
    Road.CORRECTED: (*_PAID, "correction_requested", "corrected"),
    Road.OBJECTED_DISMISSED: (*_PAID, "held", "hold_lifted"),
    Road.OBJECTED_UPHELD: ("submitted", "reviewed", "approved", "noticed", "held", "rejected"),
    Road.OVER_LIMIT: (*_PAID * 3, *_REFUSED),
    Road.REJECTED: _REFUSED,
    Road.OUT_OF_WINDOW: _REFUSED,
    Road.ROLE_MISSING: _REFUSED,
    Road.RETURNED: (*_PAID, "payment_returned", "corrected", "payment_ordered"),
    Road.RECOVERED: (*_PAID, "recovering", "recovered"),
    Road.WAITING: ("submitted", "held"),
}
"""What a founder is told of the claims on each road."""


def predicted(city: City) -> Figures:
    """The figures that a demo of this city must end with."""
    told: Counter[str] = Counter()
    messages = listed = 0
    for founder in city.founders:
        steps = MESSAGES[founder.road]
        told.update(steps)
        messages += len(steps) + len({plan.project for plan in founder.claims}) * _ISSUED
        listed += founder.road is Road.PAID
    taken_back = 1 if listed > 1 else 0  # one consent is withdrawn, and its person told
    return Figures(
        claims=told["submitted"],
        paid=told["paid"] - told["recovered"],
        rejected=told["rejected"],
        whitelisted=listed - taken_back,
        messages=messages + listed + taken_back,
        histories_compared=told["submitted"],
        histories_identical=told["submitted"],
    )


async def run_demo(endpoints: Endpoints, directory: Path, founders: int) -> Outcome:
    """What `huchuang demo` does."""
    with one_at_a_time(directory):
        return await demo(endpoints, directory, founders, Story(lambda text, done: None))


async def broken(client: Client, directory: Path) -> list[str]:
    """What does not hold that must always hold, and why."""
    checks = await all_checks(client, directory)
    return [f"{check.name}: {finding}" for check in checks for finding in check.findings]


async def trained(
    client: Client, directory: Path, now: datetime, count: int, projects: int, *, last_issue: date = LAST_ISSUE
) -> list[Registered]:
    """New founders who may claim, each with a certificate for each of the first `projects` start-up projects.

    No certificate is younger than `last_issue`. They belong to a run of their own, so that the privacy check looks
    for them as well.
    """
    today = shanghai_date(now)
    with one_at_a_time(directory):
        run = begin(directory, 8 * count, today)
    city = run.city()
    place = await setting.prepare(client, city, today.year)
    await settle(client)
    able = [founder for founder in city.founders if founder.road is Road.PAID][:count]
    assert len(able) == count
    codes = [project.code for project in city.projects if project.stage is Stage.START_UP][:projects]
    after = max(5, (today - last_issue).days)
    ready = [_with_claims(founder, codes, after) for founder in able]
    registered = await training.train(client, SimpleNamespace(founders=ready), place, today)  # type: ignore[arg-type]
    await settle(client)
    return registered


def _with_claims(founder: Founder, codes: list[str], after: int) -> Founder:
    district = founder.claims[0].accepting_district
    return replace(founder, claims=tuple(ClaimPlan(code, Channel.APP, district, after) for code in codes))


def claim_body(of: Registered, project: str, *, channel: str = "app", district: str = "310115") -> dict[str, Any]:
    """A claim that everything speaks for."""
    account = of.founder.person.account
    return {
        "programme": PROGRAMME,
        "person_id": of.person_id,
        "organisation_id": of.organisation_id,
        "certificate_no": of.certificates[project],
        "payee_account": {
            "kind": account.kind.value,
            "holder": account.holder,
            "number": account.number,
            "bank": account.bank,
        },
        "channel": channel,
        "accepting_district": district,
    }

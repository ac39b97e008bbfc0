"""The demo's story from beginning to end, and its figures."""

import asyncio
import fcntl
import time as wall
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from datetime import time as day_time
from pathlib import Path
from typing import Any, TextIO
from uuid import uuid4

import msgspec

from deploy.local import settings
from deploy.local.client import Client
from deploy.local.clients import SignedIn
from deploy.local.clock import advance, now_of, progress_of, settle
from deploy.local.demo import claims as claiming
from deploy.local.demo import money, setting, training, webhooks, whitelist
from deploy.local.endpoints import Endpoints
from deploy.local.histories import Comparison, compare
from shared.testing.city import City
from shared.values.calendar import shanghai_date
from shared.values.clocks import SHANGHAI

SEED = 7
STATE = "demo.json"
LOCK = "demo.lock"


class Figures(msgspec.Struct, frozen=True):
    """What a demo ends with; the names are fixed."""

    claims: int
    paid: int
    rejected: int
    whitelisted: int
    messages: int
    histories_compared: int
    histories_identical: int


class Outcome(msgspec.Struct, frozen=True):
    figures: Figures
    seconds: float
    run: int
    claim_id: str
    comparisons: list[Comparison]


class Run(msgspec.Struct, frozen=True):
    """What makes one run's city: the same seed, run, founders and day give the same people."""

    run: int
    founders: int
    as_of: date

    def city(self) -> City:
        return City(SEED, self.run, self.founders, as_of=self.as_of)


class Runs(msgspec.Struct):
    """The demos that a stack has seen."""

    runs: list[Run] = []


@contextmanager
def one_at_a_time(directory: Path) -> Iterator[TextIO]:
    """A second demo waits for the first."""
    with (directory / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def runs_of(directory: Path) -> list[Run]:
    """Every demo that was begun in this directory."""
    path = directory / STATE
    return msgspec.json.decode(path.read_bytes(), type=Runs).runs if path.exists() else []


def begin(directory: Path, founders: int, as_of: date) -> Run:
    """Note the next run before anything of it exists, so that its people can be looked for whatever happens."""
    runs = runs_of(directory)
    run = Run(len(runs) + 1, founders, as_of)
    (directory / STATE).write_bytes(msgspec.json.encode(Runs([*runs, run])))
    return run


class Story:
    """`tell(step, done)` hears each step as it begins and ends."""

    def __init__(self, tell: Any) -> None:
        self._tell = tell

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        self._tell(text, False)
        yield
        self._tell(text, True)


async def demo(endpoints: Endpoints, directory: Path, founders: int, story: Story) -> Outcome:
    """Run one demo. Raises StackFailed when the stack does what it must not."""
    started = wall.monotonic()
    signed_in = SignedIn(settings.read(directory))
    async with Client(endpoints, f"demo/{uuid4()}", signed_in) as client:
        now = now_of(await progress_of(client))
        today = shanghai_date(now)
        run = begin(directory, founders, today)
        city = run.city()
        with story.step("城市就位：十六个区、培训机构、评价机构、载体、银行、政策和预算"):
            place = await setting.prepare(client, city, today.year)
            endpoint = await webhooks.register(client, directory)
            await settle(client)
        with story.step(f"{founders} 位创业者登记、参训、取得证书"):
            registered = await training.train(client, city, place, today)
            await settle(client)
        with story.step("提交补贴申请，线上和窗口同时受理"):
            made = await claiming.submit_all(client, registered)
        with story.step("初筛、补正、审核，第二人批准"):
            await claiming.review_all(client, made)
            await settle(client)
        with story.step("载体推荐白名单，银行核验，撤回同意即时失效"):
            listed = await whitelist.recommend(client, city, registered, today)
        with story.step("公示期跨法定节假日，处理异议"):
            published = money.day_before_holiday(today)
            await advance(client, max(now, datetime.combine(published, day_time(9), SHANGHAI)))
            approved = await _with_status(client, made, "approved")
            notices = await money.publish_notices(client, made, approved)
            await money.objections(client, made, notices)
            await money.pass_notices(client, published)
        with story.step("制作发放批次，第二人放行，登记银行结果，退票更正后再付"):
            payable = await _with_status(client, made, "payable")
            await money.pay(client, sorted(payable), made)
            await settle(client)
        with story.step("误发的追回，分笔退回，账目逐分相符"):
            await money.recover(client, made, shanghai_date(now_of(await progress_of(client))))
            await settle(client)
        with story.step("App 后台收到每一条消息的回调，逐条验签，重复的不重计"):
            messages = await webhooks.messages_of(client, (item.person_id for item in registered))
            await webhooks.all_heard(client, directory, endpoint, messages)
        with story.step("仅凭 Kafka 重建每个申请，与事件库、档案、服务逐一比对"):
            comparisons = await compare(client, [claim.claim_id for claim in made])
        figures = await _figures(client, made, listed, len(messages), comparisons)
        told = min(made, key=lambda claim: claim.registered.founder.person.index)
    return Outcome(figures, wall.monotonic() - started, run.run, told.claim_id, comparisons)


async def _statuses(client: Client, made: list[claiming.Made]) -> dict[str, str]:
    shown = await asyncio.gather(*(client.get("auditor", "subsidy", f"/v1/claims/{claim.claim_id}") for claim in made))
    return {answer.body["id"]: answer.body["status"] for answer in shown}


async def _with_status(client: Client, made: list[claiming.Made], status: str) -> set[str]:
    return {claim_id for claim_id, current in (await _statuses(client, made)).items() if current == status}


async def _figures(
    client: Client,
    made: list[claiming.Made],
    listed: int,
    messages: int,
    comparisons: list[Comparison],
) -> Figures:
    statuses = list((await _statuses(client, made)).values())
    return Figures(
        claims=len(made),
        paid=statuses.count("paid"),
        rejected=statuses.count("rejected"),
        whitelisted=listed,
        messages=messages,
        histories_compared=len(comparisons),
        histories_identical=sum(not item.findings for item in comparisons),
    )

"""The store against a dictionary: whatever is asked, one by one or at once, it ends where the dictionary ends."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from shared.eventstore.decider import Rejection
from shared.eventstore.derived import Derived
from shared.eventstore.needs import IdempotencyKey, Needs
from shared.eventstore.sequencer import Sequencer
from shared.eventstore.store import Carried, KeyReused, Store, new_context
from shared.eventstore.work import Answer, ErasedSubject, Work
from shared.runtime.parts import open_pool
from shared.values.personal import REDACTED, Clear
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from tests.integration.eventstore.account import ACCOUNT, Closed, Granted, Moved, Opened, Spent
from tests.integration.eventstore.commands import ACTOR, key
from tests.integration.eventstore.model import PLACES, Close, Grant, Model, Move, Open, Operation, Spend
from tests.integration.eventstore.whole import assert_whole

LINE = "2025"

names = st.sampled_from(("甲", "乙"))
owners = st.sampled_from(("per_1", "per_2"))
numbers = st.integers(0, 9)
operations = st.one_of(
    st.builds(Open, names, owners),
    st.builds(Move, st.lists(numbers, min_size=1, max_size=3).map(tuple), st.integers(-5, 5)),
    st.builds(Close, numbers),
    st.builds(Grant, st.integers(0, 60)),
    st.builds(Spend, st.integers(1, 20)),
)


def secret_of(stream: str) -> str:
    return f"秘密 {stream}"


class Attempt:
    """One operation on its way: the streams that it means, and what came of it."""

    def __init__(self, operation: Operation, model: Model, store: Store, under: IdempotencyKey | None) -> None:
        self.operation = operation
        self.streams = self._meant(model)
        self._store = store
        self._under = under
        self.refusal: str | None = None
        self.carried: Carried | None = None

    def _meant(self, model: Model) -> list[str]:
        match self.operation:
            case Move(numbers, _):
                return model.streams(numbers)
            case Close(number):
                return model.streams((number,))
            case _:
                return [f"acc_{uuid4()}"]

    async def run(self) -> None:
        needs = Needs(streams=tuple(self.streams), unique=self._limits(), bounded=(("budget", LINE),))
        try:
            self.carried = await self._store.carry_out(needs, self._handle, new_context(ACTOR), self._under)
        except ErasedSubject:
            self.refusal = "erased"
        else:
            if isinstance(self.carried.outcome, Rejection):
                self.refusal = self.carried.outcome.code

    def _limits(self) -> tuple[tuple[str, str], ...]:
        if isinstance(self.operation, Open):
            name, owner = self.operation
            return (("name", name), *(("owner", f"{owner}/{place}") for place in range(1, PLACES + 1)))
        return ()

    @property
    def first_event(self) -> tuple[str, int]:
        assert self.carried is not None
        assert isinstance(self.carried.outcome, Answer)
        stream, _, version = self.carried.outcome.body.decode().rpartition("@")
        return stream, int(version)

    def _handle(self, work: Work) -> Answer | Rejection:
        refused = self._decide(work)
        if refused is not None:
            return Rejection(code=refused, detail=refused)
        stream = self.streams[0]
        return Answer(200, f"{stream}@{work.version(stream)}".encode(), stream)

    def _decide(self, work: Work) -> str | None:
        if not self.streams:
            return "unknown"
        match self.operation:
            case Open(name, owner):
                if work.holder("name", name) is not None:
                    return "name_taken"
                if len(work.holders("owner", owner, PLACES)) >= PLACES:
                    return "no_place"
                stream = self.streams[0]
                work.append(ACCOUNT, stream, [Opened(name, owner, Clear(owner, secret_of(stream)))])
            case Move(_, by):
                if any(isinstance(work.history(stream)[-1].event, Closed) for stream in self.streams):
                    return "closed"
                for stream in self.streams:
                    work.append(ACCOUNT, stream, [Moved(by)])
            case Close():
                if isinstance(work.history(self.streams[0])[-1].event, Closed):
                    return "closed"
                work.append(ACCOUNT, self.streams[0], [Closed()])
            case Grant(bound):
                if bound < work.used("budget", LINE):
                    return "bound_too_low"
                work.append(ACCOUNT, self.streams[0], [Granted(LINE, Decimal(bound))])
            case Spend(amount):
                if work.left("budget", LINE) < amount:
                    return "exhausted"
                work.append(ACCOUNT, self.streams[0], [Spent(LINE, Decimal(amount))])
        return None


class StoreAgainstModel(RuleBasedStateMachine):
    """Set by the test: where the database is."""

    dsn: str
    keys: Path

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model = Model()
        self.keyed: dict[str, tuple[Operation, bytes]] = {}
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.pool = await open_pool(self.dsn)
        tables = await self.pool.fetch(
            "select tablename from pg_tables where schemaname = 'public'"
            " and tablename not in ('log_identity', 'log_head', 'projection_build')"
        )
        await self.pool.execute(f"truncate {', '.join(row['tablename'] for row in tables)} restart identity")
        await self.pool.execute("update log_head set position = 0, peaks = '{}'")
        self.stores = [Store(self.pool, [ACCOUNT], Keyring(FileMasterKey(self.keys))) for _ in range(2)]
        self.sequencer = Sequencer(self.pool, self.stores[0].appended, lambda position: None)

    def teardown(self) -> None:
        self.runner.run(self._close())
        self.runner.close()

    async def _close(self) -> None:
        await self._sequence()
        await assert_whole(self.pool)
        await self.pool.close()

    # -- rules ----------------------------------------------------------------------------------------------------

    @rule(batch=st.lists(operations, min_size=1, max_size=10))
    def carry_out_at_once(self, batch: list[Operation]) -> None:
        self.runner.run(self._at_once([self._attempt(n, operation, None) for n, operation in enumerate(batch)]))

    @rule(operation=operations, twins=st.integers(1, 4))
    def carry_out_under_a_key(self, operation: Operation, twins: int) -> None:
        name = str(uuid4())
        attempts = [self._attempt(n, operation, key(name)) for n in range(twins)]
        for attempt in attempts[1:]:
            attempt.streams = attempts[0].streams
        self.runner.run(self._at_once(attempts))
        answered = {a.carried.outcome.body for a in attempts if a.carried and isinstance(a.carried.outcome, Answer)}
        if answered:
            assert len(answered) == 1
            assert all(attempt.refusal is None for attempt in attempts)
            assert sum(attempt.carried is not None and not attempt.carried.repeated for attempt in attempts) == 1
            self.keyed[name] = (operation, answered.pop())

    @rule(which=numbers, by=st.integers(0, 1))
    def repeat_what_was_answered(self, which: int, by: int) -> None:
        if (name := self._answered(which)) is not None:
            operation, body = self.keyed[name]
            attempt = self._attempt(by, operation, key(name))
            self.runner.run(attempt.run())
            assert attempt.carried is not None
            assert attempt.carried.repeated
            assert isinstance(attempt.carried.outcome, Answer)
            assert attempt.carried.outcome.body == body

    @rule(which=numbers, operation=operations)
    def use_a_key_for_something_else(self, which: int, operation: Operation) -> None:
        if (name := self._answered(which)) is not None:
            with pytest.raises(KeyReused):
                self.runner.run(self._attempt(0, operation, key(name, b"something else")).run())

    @rule(owner=owners)
    def erase(self, owner: str) -> None:
        known = any(account.owner == owner for account in self.model.accounts.values())
        had_a_key = known and owner not in self.model.erased
        assert self.runner.run(self.stores[0].erase(owner)) is had_a_key
        self.model.erased.add(owner)
        self.stores[1].keyring.forget(owner)

    @rule()
    def sequence(self) -> None:
        self.runner.run(self._sequence())

    # -- what must hold after each --------------------------------------------------------------------------------

    @invariant()
    def streams_and_limits_are_as_the_model_says(self) -> None:
        self.runner.run(self._compare())

    async def _compare(self) -> None:
        model = self.model
        work = await self.stores[0].look(Needs(streams=tuple(model.accounts), bounded=(("budget", LINE),)))
        for stream, account in model.accounts.items():
            history = work.history(stream)
            opened = history[0].event
            assert isinstance(opened, Opened)
            assert (opened.name, opened.owner) == (account.name, account.owner)
            assert work.state(ACCOUNT, stream).total == account.total
            assert isinstance(history[-1].event, Closed) is account.closed
        sealed: list[tuple[Any, Any]] = [
            (work.history(s)[0].id, work.history(s)[0].event.secret)  # type: ignore[attr-defined]
            for s in model.accounts
        ]
        secrets = await self.stores[1].disclose(sealed)
        assert secrets == [REDACTED if a.owner in model.erased else secret_of(s) for s, a in model.accounts.items()]
        assert work.used("budget", LINE) == model.used
        assert work.left("budget", LINE) == model.bound - model.used
        assert await Derived(self.pool, self.stores[0].types).differences() == []

    # -- how ------------------------------------------------------------------------------------------------------

    def _answered(self, number: int) -> str | None:
        """A key that was answered, as its number says: what is drawn must not depend on who won a race."""
        return [*self.keyed][number % len(self.keyed)] if self.keyed else None

    def _attempt(self, number: int, operation: Operation, under: IdempotencyKey | None) -> Attempt:
        return Attempt(operation, self.model, self.stores[number % 2], under)

    async def _at_once(self, attempts: list[Attempt]) -> None:
        """Carry them out at once; the model does the accepted ones in the order of their events."""
        await asyncio.gather(*(attempt.run() for attempt in attempts))
        rows = await self.pool.fetch(
            "select stream, version from"
            " (select 0 as part, position as place, stream, version from log"
            " union all select 1, seq, stream, version from unsequenced) e order by part, place"
        )
        order = {(row["stream"], row["version"]): n for n, row in enumerate(rows)}
        accepted = [a for a in attempts if a.refusal is None and a.carried is not None and not a.carried.repeated]
        passed = [self.model.copy()]
        for attempt in sorted(accepted, key=lambda a: order[a.first_event]):
            self.model.apply(attempt.operation, attempt.streams)
            passed.append(self.model.copy())
        for attempt in attempts:
            if attempt.refusal is not None:
                possible = {model.refusal(attempt.operation, attempt.streams) for model in passed}
                assert attempt.refusal in possible, attempt.operation

    async def _sequence(self) -> None:
        while await self.sequencer.step():
            pass


@pytest.mark.parametrize(("examples", "steps"), [(25, 12), pytest.param(400, 30, marks=pytest.mark.full)])
def test_the_store_does_what_a_dictionary_does(dsn: str, keys: Path, examples: int, steps: int) -> None:
    StoreAgainstModel.dsn, StoreAgainstModel.keys = dsn, keys
    run_state_machine_as_test(
        StoreAgainstModel,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

"""The peer: the library `eventsourcing` on PostgreSQL, with a pool as large as its threads.

It can insert in two ways. By default it locks its table, so that no reader passes over an event of a writer that
commits later: the promise that our sequencer keeps, so this is what we are measured by. `functions` is its setting
POSTGRES_ENABLE_DB_FUNCTIONS: one round trip, and no such lock; with sixteen writers, a reader that followed the
notifications was never given 2 events of 3,000. Both are measured; what the second gives is reported, without a bar.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from deploy.local.postgres import SUPERUSER, PostgresServer
from services.subsidy.domain.claim_decisions import screened
from services.subsidy.domain.policy_version import PolicyVersion
from tests.bench.pasts import NOW, facts, policy
from tests.bench.submissions import submissions

DATABASE = "peer"
THREADS = (1, 4, 16)
T = TypeVar("T")
Json = dict[str, Any]


class Claim(Aggregate):
    """A claim with the events of ours and what they carry, as JSON values, so that its transcoder has least to do."""

    @event("Submitted")
    def __init__(
        self,
        programme: str,
        person_id: str,
        organisation_id: str,
        certificate_no: str,
        payee_account: dict[str, str],
        channel: str,
        accepting_district: str,
    ) -> None:
        self.programme = programme
        self.person_id = person_id
        self.organisation_id = organisation_id
        self.certificate_no = certificate_no
        self.payee_account = payee_account
        self.channel = channel
        self.accepting_district = accepting_district
        self.status = "submitted"

    @event("Screened")
    def screened(self, policy_version: str, amount: str, facts: Json, results: list[Json], holds_place: bool) -> None:
        self.policy_version = policy_version
        self.amount = amount
        self.facts = facts
        self.results = results
        self.holds_place = holds_place

    @event("PayeeChecked")
    def payee_checked(self, matches: bool) -> None:
        self.payee_matches = matches

    @event("Reviewed")
    def reviewed(self, reviewer: str, opinion: str, reviewed_on: str) -> None:
        self.reviewer = reviewer
        self.status = "under_review"


class Claims(Application[UUID]):
    """Its events are in the table `claims_events`."""

    name = "claims"


def submitted_claims(count: int) -> list[Claim]:
    """As many claims of one event each, not saved yet."""
    return [Claim(**msgspec.json.decode(item.body)) for item in submissions(count)]


def screened_claims(count: int) -> list[Claim]:
    """As many claims, submitted and screened, of two events each, not saved yet."""
    version = policy()
    return [_screened(claim, version) for claim in submitted_claims(count)]


def _screened(claim: Claim, version: PolicyVersion) -> Claim:
    screening = screened(version, facts(), NOW.date())
    claim.screened(
        screening.policy_version,
        str(screening.amount),
        msgspec.to_builtins(screening.facts),
        msgspec.json.decode(screening.results),
        screening.holds_place,
    )
    return claim


class Peer:
    """One application for each number of threads, all on the same table."""

    def __init__(self, applications: dict[int, Claims]) -> None:
        self._applications = applications

    @property
    def one(self) -> Claims:
        """The application for one thread."""
        return self._applications[1]

    def best(self, work: Callable[[Claims, T], object], items: Callable[[], Sequence[T]]) -> float:
        """Operations per second with the number of threads that does best; each gets items of its own."""
        return max(_rate(threads, application, work, items()) for threads, application in self._applications.items())


def _rate(threads: int, application: Claims, work: Callable[[Claims, T], object], items: Sequence[T]) -> float:
    ready = Barrier(threads + 1)

    def run(mine: Sequence[T]) -> None:
        ready.wait()
        for item in mine:
            work(application, item)

    with ThreadPoolExecutor(threads) as executor:
        futures = [executor.submit(run, items[n::threads]) for n in range(threads)]
        ready.wait()
        began = time.perf_counter()
        for future in futures:
            future.result()
        return len(items) / (time.perf_counter() - began)


@contextmanager
def peer(server: PostgresServer, *, functions: bool = False) -> Iterator[Peer]:
    """The peer on its database, which must be there; it makes its own table."""
    applications: dict[int, Claims] = {}
    try:
        for threads in THREADS:
            applications[threads] = Claims(
                {
                    "PERSISTENCE_MODULE": "eventsourcing.postgres",
                    "POSTGRES_DBNAME": DATABASE,
                    "POSTGRES_HOST": server.host,
                    "POSTGRES_PORT": str(server.port),
                    "POSTGRES_USER": SUPERUSER,
                    "POSTGRES_PASSWORD": server.password,
                    "POSTGRES_POOL_SIZE": str(threads),
                    "POSTGRES_MAX_OVERFLOW": "0",
                    "POSTGRES_ENABLE_DB_FUNCTIONS": "y" if functions else "n",
                }
            )
        yield Peer(applications)
    finally:
        for application in applications.values():
            application.close()

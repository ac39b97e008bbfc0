"""What subsidy's endpoints ask of the store for claims: submissions, and reviews of those that were submitted."""

from collections.abc import Sequence

from services.subsidy.api import claims, submission
from services.subsidy.api.claims import Review
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_decisions import RecordPayeeCheck, decide
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.record import Actor
from shared.eventstore.store import new_context
from shared.eventstore.work import Answer, Work
from shared.vault.keys import Keyring
from tests.bench.endpoints import Asked, asked_by, person, system
from tests.bench.kernel import Kernel, carried_out
from tests.bench.submissions import DISTRICT, put_facts, submissions

PROCESS = Actor("process:payee-check")


async def new_claims(place: Kernel, count: int) -> list[Asked]:
    """As many `POST /v1/claims`, of new people each."""
    return await claims_by_app(place.dsn, place.store.keyring, count)


async def claims_by_app(database: str, keyring: Keyring, count: int) -> list[Asked]:
    """The same for a store whose facts are in `database`."""
    app = system("app", "app")
    submitted = submissions(count)
    await put_facts(database, submitted)
    return [await asked_by(submission.submit, item.body, caller=app, keyring=keyring) for item in submitted]


async def reviews(place: Kernel, claim_ids: Sequence[str]) -> list[Asked]:
    """A `POST /v1/claims/{id}/review` for each: the reviewer recommends approval."""
    reviewer = person("reviewer", f"district:{DISTRICT}/reviewer")
    body = Review(decision="approve", reasons=("材料齐全",))
    return [
        await asked_by(
            claims.review,
            body.model_dump_json().encode(),
            caller=reviewer,
            keyring=place.store.keyring,
            arguments={"claim_id": claim_id, "body": body},
        )
        for claim_id in claim_ids
    ]


async def stored_claims(place: Kernel, count: int) -> list[str]:
    """New claims whose payee has been checked: three stored events each. Returns their ids."""
    streams: list[str] = []

    def noting(asked: Asked) -> Asked:
        def handle(work: Work) -> Answer | Rejection:
            outcome = asked.handler(work)
            if isinstance(outcome, Answer) and outcome.stream is not None:
                streams.append(outcome.stream)
            return outcome

        return asked._replace(handler=handle)

    await carried_out(place.store, [noting(asked) for asked in await new_claims(place, count)])
    await carried_out(place.store, [_payee_checked(stream) for stream in streams])
    return streams


def _payee_checked(stream: str) -> Asked:
    def handle(work: Work) -> Answer | Rejection:
        decision = decide(RecordPayeeCheck(matches=True, account=1), work.state(CLAIM, stream))
        if isinstance(decision, Rejection):
            return decision
        work.append(CLAIM, stream, decision)
        return Answer(204, b"", stream)

    return Asked(Needs(streams=(stream,)), handle, new_context(PROCESS), None)

"""What notify keeps of others' events: whose claim, certificate or whitelist entry a stream is."""

from collections.abc import Iterable

from shared.eventstore.needs import Fact
from shared.eventstore.record import Record
from shared.messaging.intake import Foreign, Listens, Note, keep


class SubjectFact(Fact, frozen=True):
    """Keyed by the subject's id, which is its stream; only a stream's first event names the person."""

    person_id: str


class Begun(Foreign, frozen=True):
    person_id: str


def _subject(record: Record, event: Begun) -> Iterable[Note]:
    yield keep(SubjectFact(event.person_id), record.stream)


LISTENS = (
    Listens("subsidy.ClaimSubmitted.v1", Begun, _subject),
    Listens("subsidy.ClaimSubmitted.v2", Begun, _subject),
    Listens("training.CertificateIssued.v1", Begun, _subject),
    Listens("loans.EntryInEffect.v1", Begun, _subject),
)

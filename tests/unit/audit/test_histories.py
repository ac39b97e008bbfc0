"""A claim's history: exactly what belongs to it, in order, each line told in Chinese."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, get_type_hints
from uuid import UUID

import msgspec
import pytest
from hypothesis import given as every
from hypothesis import settings
from hypothesis import strategies as st

from services.audit.archive.history import Located, assemble
from services.audit.archive.timeline import HOLDS, PHRASES, SERVICES, actor_of, line, phrase
from services.audit.console.pages import STATUSES
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_events import HoldReason, Status
from services.subsidy.wiring import DEFINITION as SUBSIDY
from services.training.domain.certificate import CERTIFICATE
from services.training.wiring import DEFINITION as TRAINING
from shared.eventstore.decider import Event
from shared.eventstore.record import Actor, Record, canonical, tag_of
from shared.proof.merkle import leaf_hash
from shared.values.ids import PREFIXES, ClaimId, new_id
from tests.contract.events.samples import anything_like, example, payload_of
from tests.contract.events.tree import definitions, event_classes, older_tags
from tests.unit.subsidy.samples import CHECKED, REVIEWED, SCREENED, submission

MOMENT = datetime(2025, 3, 3, 1, tzinfo=UTC)


def uuid(n: int) -> UUID:
    return UUID(int=7 << 76 | 2 << 62 | n)


MINE, OTHER = ClaimId(new_id("clm", uuid(1))), ClaimId(new_id("clm", uuid(2)))
PERSON, ORGANISATION, CERTIFICATE_ID = (new_id(prefix, uuid(1)) for prefix in ("per", "org", "crt"))


def located(
    position: int, stream: str, type: str, payload: bytes, *, service: str = "subsidy", version: int = 1, after: int = 0
) -> Located:
    moment = MOMENT + timedelta(minutes=after)
    record = Record(
        id=uuid(position),
        stream=stream,
        version=version,
        log_id=uuid(99),
        type=type,
        recorded_at=moment,
        occurred_at=moment,
        actor=Actor("app"),
        causation_id=None,
        correlation_id=None,
        traceparent=None,
        payload=msgspec.Raw(payload),
    )
    return Located(service, position, record)


def told(position: int, stream: str, event: Event, **where: Any) -> Located:
    return located(position, stream, tag_of(type(event)), payload_of(event), **where)


SUBMITTED = submission(claim_id=MINE, person_id=PERSON, organisation_id=ORGANISATION, certificate_id=CERTIFICATE_ID)
OTHERS_ = submission(claim_id=OTHER, person_id=new_id("per", uuid(2)), certificate_no="SH2025-D1-000002",
                     organisation_id=new_id("org", uuid(2)), certificate_id=new_id("crt", uuid(2)))  # fmt: skip
OWN = [
    told(4, MINE, SUBMITTED, version=1, after=4),
    told(5, MINE, SCREENED, version=2, after=4),
    told(7, MINE, CHECKED, version=3, after=5),
    told(9, MINE, REVIEWED, version=4, after=60),
]
FOUNDATIONS = [
    located(1, PERSON, "registry.PersonRegistered.v1", b"{}", service="registry", after=1),
    located(2, ORGANISATION, "registry.OrganisationRegistered.v1", b"{}", service="registry", after=2),
    located(1, CERTIFICATE_ID, "training.CertificateIssued.v1", b"{}", service="training", after=3),
]
MENTIONS = [
    located(12, new_id("ntc", uuid(1)), "subsidy.NoticeDrafted.v1", f'{{"entries":["{MINE}"]}}'.encode(), after=70),
    located(3, new_id("msg", uuid(1)), "notify.MessageSent.v1", f'{{"subject_id":"{MINE}"}}'.encode(), service="notify",
            after=6),
]  # fmt: skip
STRANGERS = [
    told(6, OTHER, OTHERS_, after=4),
    located(3, new_id("per", uuid(2)), "registry.PersonRegistered.v1", b"{}", service="registry"),
    located(4, new_id("org", uuid(2)), "registry.OrganisationRegistered.v1", b"{}", service="registry"),
    located(2, new_id("crt", uuid(2)), "training.CertificateIssued.v1", b"{}", service="training"),
    located(13, new_id("ntc", uuid(2)), "subsidy.NoticeDrafted.v1", f'{{"entries":["{OTHER}"]}}'.encode()),
    located(14, new_id("ntc", uuid(3)), "subsidy.NoticeDrafted.v1", f'{{"title":"{MINE}x"}}'.encode()),
    located(15, new_id("ntc", uuid(4)), "subsidy.NoticeDrafted.v1", f'{{"title":"x{MINE}"}}'.encode()),
]
BELONGING = [*FOUNDATIONS, *OWN, *MENTIONS]


@settings(deadline=None)
@every(st.permutations([*BELONGING, *STRANGERS]))
def test_exactly_what_belongs_is_taken_from_any_heap_in_one_order(heap: list[Located]) -> None:
    history = assemble(MINE, heap)
    assert sorted(history.items) == sorted(BELONGING)
    assert history == assemble(MINE, BELONGING)
    assert [item.record.version for item in history.own] == [1, 2, 3, 4]
    assert (history.claim.status, history.claim.version) == ("under_review", 4)
    moments = [item.record.occurred_at for item in history.items]
    assert moments == sorted(moments)


def test_the_same_record_from_two_sources_is_one() -> None:
    assert assemble(MINE, [*BELONGING, *BELONGING]) == assemble(MINE, BELONGING)


@pytest.mark.parametrize(("minutes", "status", "count"), [(3, "", 0), (4, "submitted", 5), (70, "under_review", 9)])
def test_a_history_as_of_a_moment_is_what_was_known_then(minutes: int, status: str, count: int) -> None:
    history = assemble(MINE, BELONGING, MOMENT + timedelta(minutes=minutes))
    assert (history.claim.status, len(history.items)) == (status, count)


def test_a_claim_that_nobody_wrote_of_has_no_history() -> None:
    history = assemble(new_id("clm", uuid(9)), BELONGING)
    assert (list(history.items), history.claim.version) == ([], 0)


def test_a_line_carries_what_proves_it() -> None:
    shown = line(OWN[0])
    assert shown.leaf == leaf_hash(canonical(OWN[0].record)).hex()
    assert (shown.at, shown.service, shown.stream, shown.version, shown.position) == (
        "2025-03-03 09:04",
        "补贴",
        MINE,
        1,
        4,
    )


# -- phrases --------------------------------------------------------------------------------------------------------


def mentions_claims(kind: Any, within: frozenset[Any] = frozenset()) -> bool:
    """Whether an event's fields, however deep, can name a claim; a struct may hold others of its kind."""
    if kind is ClaimId:
        return True
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        inside = within | {kind}
        return kind not in within and any(mentions_claims(hint, inside) for hint in get_type_hints(kind).values())
    return any(mentions_claims(part, within) for part in getattr(kind, "__args__", ()))


def in_histories() -> set[str]:
    """Tags of subsidy and training whose events can be part of a claim's history."""
    kinds = {*CLAIM.events, *CERTIFICATE.events}
    for definition in (SUBSIDY, TRAINING):
        kinds |= {kind for one in definition.aggregates for kind in one.events if mentions_claims(kind)}
    return {tag_of(kind) for kind in kinds}


def of_foundations() -> set[str]:
    """Tags of the streams that a claim rests on, and of messages about it."""
    prefixes = {PREFIXES[name] for name in ("PersonId", "OrganisationId", "CertificateId")}
    aggregates = [one for definition in definitions().values() for one in definition.aggregates]
    found = {tag_of(kind) for one in aggregates if one.prefix in prefixes for kind in one.events}
    return found | {tag for tag in event_classes() if tag == "notify.MessageSent.v1"}


def test_the_search_for_mentions_finds_the_known_ones() -> None:
    assert {
        "subsidy.NoticeDrafted.v1",
        "subsidy.ObjectionRaised.v1",
        "subsidy.ObjectionDecided.v1",
        "subsidy.PaymentBatchMade.v1",
        "subsidy.PaymentBatchReleased.v1",
    } <= in_histories()
    assert "subsidy.BudgetSet.v1" not in in_histories()


@pytest.mark.parametrize("tag", sorted(in_histories() | of_foundations()))
def test_every_event_that_a_history_can_hold_has_a_phrase(tag: str) -> None:
    assert tag in PHRASES


@pytest.mark.parametrize("tag", PHRASES)
def test_every_phrase_is_of_an_event_that_is_written(tag: str) -> None:
    assert tag in event_classes() or tag in older_tags()


@pytest.mark.parametrize("tag", sorted(set(PHRASES) & set(event_classes())))
@settings(max_examples=15, deadline=None)
@every(data=st.data())
def test_a_phrase_can_be_told_of_whatever_the_event_holds(tag: str, data: st.DataObject) -> None:
    event = data.draw(anything_like(event_classes()[tag]))
    told = phrase(located(1, MINE, tag, payload_of(event)).record)
    assert any("一" <= sign <= "鿿" for sign in told)


def test_an_event_without_a_phrase_is_told_by_its_name() -> None:
    assert phrase(located(1, MINE, "loans.Unheard.v1", b"{}").record) == "loans.Unheard.v1"


Words = dict[str, str]


@pytest.mark.parametrize(
    ("words", "needed"),
    [(HOLDS, HoldReason), (STATUSES, Status), (SERVICES, None)],
    ids=["holds", "states", "services"],
)
def test_there_is_a_chinese_word_for_each(words: Words, needed: Any) -> None:
    assert set(words) == (set(needed.__args__) if needed is not None else set(definitions()))


@pytest.mark.parametrize(
    ("actor", "who"),
    [
        (Actor("process:notice-closing"), "系统"),
        (Actor("app", None, "per_1"), "app"),
        (Actor("district", "usr_1"), "usr_1"),
    ],
)
def test_a_line_says_who_did_it_without_a_name(actor: Actor, who: str) -> None:
    assert actor_of(msgspec.structs.replace(OWN[0].record, actor=actor)) == who


def test_the_sample_event_of_each_tag_is_told_as_expected() -> None:
    tell: Callable[[str], str] = lambda tag: phrase(  # noqa: E731
        located(1, MINE, tag, payload_of(example(event_classes()[tag]))).record
    )
    assert tell("subsidy.PayeeChecked.v1") == "收款账户户名与本人一致"
    assert tell("subsidy.ClaimApproved.v1") == "第二人批准，承诺 1800.00 元（预算 budget_line）"
    assert tell("subsidy.PaymentOrdered.v1") == "向银行发出付款指令（第 1 次）"

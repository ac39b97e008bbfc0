"""A message is sent once and read once."""

from datetime import date

from msgspec.structs import replace

from services.notify.domain.message import MESSAGE, MessageRead, MessageSent, ReadMessage, SendMessage, decide
from services.notify.projections.lists import LISTERS, ShownMessage
from shared.values.ids import MessageId, PersonId

from .spec import given

ID = MessageId("msg_1")
SENT = MessageSent(
    ID, PersonId("per_1"), "claim_paid.v1", "claim", "clm_1", {"amount": "1800.00", "paid_on": "2025-03-03"},
    date(2025, 3, 3),
)  # fmt: skip
READ = MessageRead(ID, date(2025, 3, 4))


def test_a_message_is_sent() -> None:
    given(MESSAGE).when(decide, SendMessage(SENT)).then(SENT)


def test_a_message_is_not_sent_twice() -> None:
    given(MESSAGE, SENT).when(decide, SendMessage(replace(SENT, sent_on=date(2025, 3, 9)))).then()


def test_a_message_is_read_for_the_first_time_once() -> None:
    given(MESSAGE, SENT).when(decide, ReadMessage(date(2025, 3, 4))).then(READ)
    given(MESSAGE, SENT, READ).when(decide, ReadMessage(date(2025, 3, 9))).then()


def test_a_message_that_was_never_sent_is_not_found() -> None:
    given(MESSAGE).when(decide, ReadMessage(date(2025, 3, 4))).refused("not_found", 404)


def test_a_message_is_listed_under_its_person_with_its_text() -> None:
    lister = LISTERS[0]
    unread = lister.show(ID, MESSAGE.fold([SENT]))
    assert set(unread.facets) == {"person:per_1", "status:unread", "subject:clm_1"}
    assert isinstance(unread.body, ShownMessage)
    assert unread.body.text == "您的补贴1800.00元已于2025年3月3日发放。"
    assert "status:read" in lister.show(ID, MESSAGE.fold([SENT, READ])).facets

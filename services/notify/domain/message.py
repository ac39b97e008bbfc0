"""Message: what a person is told about one step of their claim, certificate or whitelist entry.

It keeps the template's name and parameters that are never personal; the text is made of them when it is read.
"""

from datetime import date
from typing import Literal

import msgspec

from services.notify.domain.template import SubjectKind
from shared.eventstore.decider import Aggregate, Decision, Event, Rejection
from shared.values.ids import MessageId, PersonId

Status = Literal["unread", "read"]

# -- events: what happened; the names are the storage format -------------------------------------------------------


class MessageSent(Event, frozen=True, tag="notify.MessageSent.v1"):
    """`params` hold dates (ISO 8601), amounts (CNY) and codes; no names, numbers or words that staff wrote."""

    message_id: MessageId
    person_id: PersonId
    template: str
    subject_kind: SubjectKind
    subject_id: str
    params: dict[str, str]
    sent_on: date


class MessageRead(Event, frozen=True, tag="notify.MessageRead.v1"):
    """The person opened the message in the app, for the first time."""

    message_id: MessageId
    read_on: date


MessageEvent = MessageSent | MessageRead
EVENTS = (MessageSent, MessageRead)


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Message(msgspec.Struct, frozen=True):
    sent: MessageSent | None = None
    read_on: date | None = None

    @property
    def status(self) -> Status:
        return "unread" if self.read_on is None else "read"


def evolve(message: Message, event: MessageEvent) -> Message:
    match event:
        case MessageSent():
            return Message(event)
        case MessageRead():
            return msgspec.structs.replace(message, read_on=event.read_on)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class SendMessage(msgspec.Struct, frozen=True):
    """The id follows from the event that is told of, so that telling it again is nothing new."""

    message: MessageSent


class ReadMessage(msgspec.Struct, frozen=True):
    today: date


MessageCommand = SendMessage | ReadMessage


def decide(command: MessageCommand, message: Message) -> Decision:
    match command:
        case SendMessage():
            return [command.message] if message.sent is None else []
        case ReadMessage():
            if message.sent is None:
                return Rejection(code="not_found", detail="没有找到这条消息", status=404)
            return [MessageRead(message.sent.message_id, command.today)] if message.read_on is None else []


MESSAGE: Aggregate[Message] = Aggregate("msg", EVENTS, Message, evolve)

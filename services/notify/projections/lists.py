"""How messages are shown: their text is made of template and parameters."""

from datetime import date

import msgspec

from services.notify.domain.message import MESSAGE, Message
from services.notify.domain.template import render
from services.notify.templates import catalogue
from shared.eventstore.listing import Listed, Lister


class ShownMessage(msgspec.Struct, frozen=True):
    id: str
    status: str
    person_id: str
    template: str
    subject_kind: str
    subject_id: str
    title: str
    text: str
    params: dict[str, str]
    sent_on: date
    read_on: date | None


def message(id: str, state: Message) -> ShownMessage:
    sent = state.sent
    if sent is None:
        raise ValueError("an empty message cannot be shown")
    rendered = render(catalogue(), sent.template, sent.params)
    return ShownMessage(
        id=id,
        status=state.status,
        person_id=sent.person_id,
        template=sent.template,
        subject_kind=sent.subject_kind,
        subject_id=sent.subject_id,
        title=rendered.title,
        text=rendered.text,
        params=sent.params,
        sent_on=sent.sent_on,
        read_on=state.read_on,
    )


def _listed(id: str, state: Message) -> Listed:
    shown = message(id, state)
    return Listed([f"person:{shown.person_id}", f"status:{shown.status}", f"subject:{shown.subject_id}"], shown)


LISTERS = (Lister("message", MESSAGE, _listed),)

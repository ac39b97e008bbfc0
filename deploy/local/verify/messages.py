"""Messages: every step that a person is told of has one message, to that person, and there is no other."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from deploy.local.verify.findings import Checked
from services.audit.archive.history import Located
from services.notify.intake.facts import LISTENS
from services.notify.processes.telling import STEPS, react
from shared.eventstore.record import Record

SENT = "notify.MessageSent.v1"
BEGINS = frozenset(item.tag for item in LISTENS)


class _Begun(msgspec.Struct):
    person_id: str


class _Sent(msgspec.Struct):
    person_id: str
    template: str
    subject_id: str


def check_messages(records: Iterable[Located]) -> Checked:
    """Hold the messages against the steps that caused them; which steps are told of is notify's own declaration.

    A message belongs to the event that its record names as its cause, whatever its id is.
    """
    people: dict[str, str] = {}
    steps: dict[str, Record] = {}
    messages: list[tuple[str, _Sent]] = []
    for record in (item.record for item in records):
        if record.type in BEGINS:
            people[record.stream] = msgspec.json.decode(record.payload, type=_Begun).person_id
        if record.type in STEPS and react(record):
            steps[str(record.id)] = record
        elif record.type == SENT:
            messages.append((str(record.causation_id), msgspec.json.decode(record.payload, type=_Sent)))
    told = Counter(cause for cause, _ in messages)
    findings = [
        f"{step.stream} 的第 {step.version} 个事件 {step.type}："
        + (f"告知了 {told[cause]} 次" if cause in told else "没有告知")
        for cause, step in steps.items()
        if told[cause] != 1
    ]
    for cause, sent in messages:
        step = steps.get(cause)
        if step is None:
            findings.append(f"消息 {sent.template}（{sent.subject_id}）没有所告知的事件")
        elif (sent.subject_id, sent.template) != (step.stream, STEPS[step.type].template):
            findings.append(f"{step.stream} 的 {step.type} 告知成了 {sent.subject_id} 的 {sent.template}")
        elif sent.person_id != people.get(step.stream):
            findings.append(f"{step.stream} 的 {step.type} 告知了别人：{sent.person_id}")
    return Checked("消息与步骤", f"{len(steps)} 个步骤，{len(messages)} 条消息", findings)

"""Certificate: what a trainee earned, issued by the body that evaluated.   (沪人社规〔2023〕7号 二(二), 三(六))"""

from datetime import date
from typing import Literal

import msgspec

from shared.eventstore.decider import Aggregate, Decision, Event, LimitChange, Rejection, Row, Take
from shared.values.ids import CertificateId, ClassId, InstitutionId, PersonId, ProjectId

Status = Literal["valid", "revoked"]
CertificateKind = Literal["qualification", "completion"]

# -- events: what happened; the names are the storage format -------------------------------------------------------


class CertificateIssued(Event, frozen=True, tag="training.CertificateIssued.v1"):
    """A 合格证书 (`qualification`, start-up stage) or 结业证书 (`completion`, the other stages) was issued."""

    certificate_id: CertificateId
    number: str
    kind: CertificateKind
    person_id: PersonId
    project_id: ProjectId
    stage: str
    class_id: ClassId
    institution_id: InstitutionId
    institution_code: str
    district: str
    evaluator_code: str
    issued_on: date


class CertificateRevoked(Event, frozen=True, tag="training.CertificateRevoked.v1"):
    certificate_id: CertificateId
    number: str
    person_id: PersonId
    reason: str
    revoked_on: date


CertificateEvent = CertificateIssued | CertificateRevoked
EVENTS = (CertificateIssued, CertificateRevoked)


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Certificate(msgspec.Struct, frozen=True):
    id: CertificateId | None = None
    number: str = ""
    kind: CertificateKind = "completion"
    person_id: PersonId = PersonId("")
    project_id: ProjectId = ProjectId("")
    stage: str = ""
    class_id: ClassId = ClassId("")
    institution_id: InstitutionId = InstitutionId("")
    institution_code: str = ""
    district: str = ""
    evaluator_code: str = ""
    issued_on: date = date.min
    revoked_on: date | None = None
    revoked_because: str | None = None

    @property
    def status(self) -> Status:
        return "revoked" if self.revoked_on else "valid"


def evolve(certificate: Certificate, event: CertificateEvent) -> Certificate:
    match event:
        case CertificateIssued():
            return Certificate(
                event.certificate_id,
                event.number,
                event.kind,
                event.person_id,
                event.project_id,
                event.stage,
                event.class_id,
                event.institution_id,
                event.institution_code,
                event.district,
                event.evaluator_code,
                event.issued_on,
            )
        case CertificateRevoked():
            return msgspec.structs.replace(certificate, revoked_on=event.revoked_on, revoked_because=event.reason)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class Passed(msgspec.Struct, frozen=True):
    """The passed evaluation that a certificate rests on: by whom and when."""

    evaluator_code: str
    evaluated_on: date


class IssueCertificate(msgspec.Struct, frozen=True):
    """`passed` is None for who has not passed, `appointed` says of the evaluator on the day of issue."""

    certificate_id: CertificateId
    number: str
    person_id: PersonId
    project_id: ProjectId
    stage: str
    class_id: ClassId
    class_ends_on: date
    institution_id: InstitutionId
    institution_code: str
    district: str
    evaluator_code: str
    appointed: bool
    passed: Passed | None
    issued_on: date
    today: date
    holder: str | None


class RevokeCertificate(msgspec.Struct, frozen=True):
    """`acts_for` are the evaluators that the caller may act for, None for the city."""

    reason: str
    today: date
    acts_for: tuple[str, ...] | None


CertificateCommand = IssueCertificate | RevokeCertificate


def decide(command: CertificateCommand, certificate: Certificate) -> Decision:
    match command:
        case IssueCertificate():
            return _refusal(command) or [_issued(command)]
        case _ if certificate.id is None:
            return Rejection(code="not_found", detail="没有找到这张证书", status=404)
        case RevokeCertificate():
            return _revoke(command, certificate, certificate.id)


def _refusal(command: IssueCertificate) -> Rejection | None:
    """Why the certificate may not be issued."""
    if command.holder is not None:
        return Rejection(
            code="certificate_exists",
            detail="该学员在这个班级已有证书",
            extensions={"certificate_id": command.holder},
        )
    if command.passed is None:
        return Rejection(code="not_passed", detail="该学员在这个班级没有考核合格的记录")
    if command.passed.evaluator_code != command.evaluator_code:
        return Rejection(code="evaluated_by_another", detail="谁评价、谁发证：证书由作出评价的机构颁发", status=403)
    if not command.appointed:
        return Rejection(code="not_appointed", detail="该评价机构在颁发当日不在聘期内", status=403)
    if command.issued_on > command.today:
        return Rejection(code="issued_in_future", detail="颁发日期不能晚于今天", status=422)
    if command.issued_on < command.class_ends_on:
        return Rejection(code="issued_before_class_end", detail="颁发日期不能早于结班日期", status=422)
    if command.issued_on < command.passed.evaluated_on:
        return Rejection(code="issued_before_evaluation", detail="颁发日期不能早于考核日期", status=422)
    return None


def _issued(command: IssueCertificate) -> CertificateIssued:
    return CertificateIssued(
        certificate_id=command.certificate_id,
        number=command.number,
        kind="qualification" if command.stage == "start_up" else "completion",
        person_id=command.person_id,
        project_id=command.project_id,
        stage=command.stage,
        class_id=command.class_id,
        institution_id=command.institution_id,
        institution_code=command.institution_code,
        district=command.district,
        evaluator_code=command.evaluator_code,
        issued_on=command.issued_on,
    )


def _revoke(command: RevokeCertificate, certificate: Certificate, id: CertificateId) -> Decision:
    if command.acts_for is not None and certificate.evaluator_code not in command.acts_for:
        return Rejection(code="not_your_certificate", detail="只能撤销本机构颁发的证书", status=403)
    if certificate.revoked_on is not None:
        return []
    return [
        CertificateRevoked(
            certificate_id=id,
            number=certificate.number,
            person_id=certificate.person_id,
            reason=command.reason,
            revoked_on=command.today,
        )
    ]


TRAINEE = "certificate/trainee"


def trainee_key(class_id: str, person_id: str) -> str:
    return f"{class_id}/{person_id}"


def limits(certificate: Certificate, event: CertificateEvent) -> tuple[LimitChange, ...]:
    """One certificate per class and person, a revoked one included."""
    if isinstance(event, CertificateIssued):
        return (Take(TRAINEE, trainee_key(event.class_id, event.person_id)),)
    return ()


NUMBERS = "certificate_number"


class Numbered(msgspec.Struct, frozen=True):
    """The inline row that leads from a number to its certificate."""

    certificate_id: CertificateId
    project_id: ProjectId


def rows(stream: str, certificate: Certificate, event: CertificateEvent) -> tuple[Row, ...]:
    if isinstance(event, CertificateIssued):
        return (Row(NUMBERS, event.number, Numbered(event.certificate_id, event.project_id)),)
    return ()


CERTIFICATE: Aggregate[Certificate] = Aggregate("crt", EVENTS, Certificate, evolve, limits, rows)

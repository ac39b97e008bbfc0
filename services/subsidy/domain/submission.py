"""What a claim is made with: what its programme asks for, and what it is then one of.   (B-13, A-17)"""

from collections.abc import Iterator, Mapping
from datetime import date

from services.subsidy.domain.policy_version import EvidenceAsked, PolicyVersion
from shared.eventstore.decider import FieldError

Stated = Mapping[str, str | int | bool]


def missing(
    policy: PolicyVersion, certificate_no: str | None, organisation_id: str | None, evidence: Stated
) -> Iterator[FieldError]:
    """What a submission lacks, or brings too much of, for a programme whose version this is."""
    given = {"certificate": certificate_no, "organisation": organisation_id}
    fields = {"certificate": "/certificate_no", "organisation": "/organisation_id"}
    for name, value in given.items():
        if (name in policy.requires) != (value is not None):
            yield FieldError(fields[name], *(_MISSING if value is None else _NOT_USED))
    for piece in policy.evidence:
        if piece.name not in evidence:
            yield FieldError(f"/evidence/{piece.name}", "missing", f"须申报：{piece.text}")
        elif (wrong := _wrong(piece, evidence[piece.name])) is not None:
            yield FieldError(f"/evidence/{piece.name}", "evidence_form", wrong)
    for name in evidence.keys() - {piece.name for piece in policy.evidence}:
        yield FieldError(f"/evidence/{name}", "unknown_field", "这个补贴项目没有这项申报内容")


_MISSING = ("missing", "缺少必填字段")
_NOT_USED = ("not_used", "这个补贴项目不需要这一项")


def _wrong(piece: EvidenceAsked, value: str | int | bool) -> str | None:
    match piece.kind:
        case "flag":
            return None if isinstance(value, bool) else "应为 true 或 false"
        case "count":
            counted = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1_000_000
            return None if counted else "应为 0 至 1000000 的整数"
        case "choice":
            return None if value in piece.choices else f"只能是 {'、'.join(piece.choices)}"
        case "date" if piece.choices:
            return None if value in piece.choices else f"只能是 {'、'.join(piece.choices)}"
        case "date":
            return None if _is_day(value) else "应为日期（YYYY-MM-DD）"


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def entitlement_of(policy: PolicyVersion | None, programme: str, project_id: str | None, evidence: Stated) -> str:
    """What the person may have once: the programme, and in it what the version counts by.   (B-13)

    Without a version it is the project, as in the programme that certificates are for.
    """
    counted_by = ("project",) if policy is None else policy.once_per
    parts = [project_id or "" if name == "project" else str(evidence[name]) for name in counted_by]
    return "/".join([programme, *parts])

"""What events of older versions mean today: pure functions of their JSON, applied when they are read."""

from typing import Any

from shared.eventstore.decider import Upcast

_CHECKS_OF_V1: dict[str, dict[str, Any]] = {
    "certificate": {
        "op": "all",
        "checks": [
            {"op": "is", "fact": "certificate_kind", "value": "qualification"},
            {"op": "is", "fact": "certificate_stage", "value": "start_up"},
            {"op": "absent", "fact": "certificate_revoked_on"},
            {"op": "is", "fact": "certificate_is_claimants", "value": True},
        ],
    },
    "window": {
        "op": "within",
        "day": "submitted_on",
        "since": "certificate_issued_on",
        "count": "window_months",
        "unit": "months",
    },
    "organisation_local": {"op": "in_city", "area": "organisation_area"},
    "organisation_age": {
        "op": "within",
        "day": "certificate_issued_on",
        "since": "organisation_registered_on",
        "count": "organisation_years",
        "unit": "years",
    },
    "role": {"op": "holds_role", "roles": "roles", "on": "certificate_issued_on", "evidenced": ["partner"]},
    "once_per_project": {"op": "entitlement_free"},
    "limit": {"op": "place_free"},
    "payee": {"op": "payee_is_claimant"},
}
"""What the names of rules meant when they were code."""


def policy_with_checks(policy: dict[str, Any]) -> dict[str, Any]:
    """A version that names rules of the first vocabulary, as one that says what they ask."""
    rules = [{"check": _CHECKS_OF_V1[rule["name"]], **rule} for rule in policy["rules"]]
    return {**policy, "rules": rules}


def _with_checks(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "policy": policy_with_checks(event["policy"])}


def _with_entitlement(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "entitlement": f"{event['programme']}/{event['project_id']}"}


def _as_it_was(event: dict[str, Any]) -> dict[str, Any]:
    return event


UPCASTS = (
    Upcast("subsidy.PolicyDrafted.v1", "subsidy.PolicyDrafted.v2", _with_checks),
    Upcast("subsidy.ClaimSubmitted.v1", "subsidy.ClaimSubmitted.v2", _with_entitlement),
    Upcast("subsidy.ClaimScreened.v1", "subsidy.ClaimScreened.v2", _as_it_was),
)

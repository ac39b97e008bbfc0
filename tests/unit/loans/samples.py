"""One carrier's batch, two founders, and the facts that they rest on."""

from datetime import date
from typing import Any

from msgspec.structs import replace

from services.loans.domain.batch import Candidate, Recommendation, RecommendBatch
from services.loans.domain.entry import EntryInEffect
from services.loans.domain.screening import CertificateSeen, ConsentSeen, Facts, RoleHeld, screen
from shared.values.ids import ConsentId, OrganisationId, PersonId, WhitelistBatchId, WhitelistEntryId

TODAY = date(2025, 3, 3)
LAST_DAY = date(2026, 3, 3)

BATCH_ID = WhitelistBatchId("wlb_1")
ENTRY_1, ENTRY_2 = WhitelistEntryId("wle_1"), WhitelistEntryId("wle_2")
PERSON_1, PERSON_2 = PersonId("per_1"), PersonId("per_2")
ORGANISATION_1, ORGANISATION_2 = OrganisationId("org_1"), OrganisationId("org_2")
CONSENT_1, CONSENT_2 = ConsentId("con_1"), ConsentId("con_2")
BANKS = ("demo-a", "demo-b")
REVIEWER, APPROVER = "usr_reviewer", "usr_approver"

GOOD = Facts(
    on=TODAY,
    consent=ConsentSeen(True, "whitelist_recommendation", "banks"),
    roles=(RoleHeld("legal_representative", date(2024, 1, 1)),),
    organisation_area="310115",
    certificate=CertificateSeen(True),
)


def facts(**changes: Any) -> Facts:
    return replace(GOOD, **changes)


WITHDRAWN = facts(consent=ConsentSeen(True, "whitelist_recommendation", "banks", TODAY))

CANDIDATE_1 = Candidate(ENTRY_1, PERSON_1, ORGANISATION_1, CONSENT_1, "SH-1", GOOD)
CANDIDATE_2 = Candidate(ENTRY_2, PERSON_2, ORGANISATION_2, CONSENT_2, None, facts(certificate=None))

RECOMMEND = RecommendBatch(BATCH_ID, "demo-1", "310115", BANKS, LAST_DAY, (CANDIDATE_1, CANDIDATE_2), TODAY)


def recommendation(candidate: Candidate) -> Recommendation:
    return Recommendation(
        candidate.entry_id,
        candidate.person_id,
        candidate.organisation_id,
        candidate.consent_id,
        screen(candidate.facts),
        candidate.certificate_no,
    )


IN_EFFECT = EntryInEffect(
    entry_id=ENTRY_1,
    batch_id=BATCH_ID,
    carrier_code="demo-1",
    district="310115",
    bank_codes=BANKS,
    person_id=PERSON_1,
    organisation_id=ORGANISATION_1,
    consent_id=CONSENT_1,
    valid_from=TODAY,
    valid_until=LAST_DAY,
    certificate_no="SH-1",
)

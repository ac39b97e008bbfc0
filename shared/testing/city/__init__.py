"""The demo city: people, organisations and institutions that do not exist, the same for the same seed and run."""

from shared.testing.city.city import AS_OF, MAX_FOUNDERS, City
from shared.testing.city.names import RARE_CHARACTERS, NameStyle
from shared.testing.city.shape import (
    Account,
    AccountKind,
    Bank,
    Carrier,
    CarrierKind,
    Channel,
    ClaimPlan,
    EvaluationBody,
    Founder,
    Institution,
    InstitutionKind,
    Organisation,
    Person,
    Project,
    Road,
    Role,
    Stage,
)

__all__ = [
    "AS_OF",
    "MAX_FOUNDERS",
    "RARE_CHARACTERS",
    "Account",
    "AccountKind",
    "Bank",
    "Carrier",
    "CarrierKind",
    "Channel",
    "City",
    "ClaimPlan",
    "EvaluationBody",
    "Founder",
    "Institution",
    "InstitutionKind",
    "NameStyle",
    "Organisation",
    "Person",
    "Project",
    "Road",
    "Role",
    "Stage",
]

"""What `docs/access.md` says of who may call what is what the endpoints declare."""

from tests.contract.docs.access import DOCUMENT, ROLES, document
from tests.contract.routes.documents import SERVICES
from tests.contract.routes.test_route_contracts import operations


def test_the_document_is_that_of_the_code() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run python -m tests.contract.docs.access"


def test_every_role_has_a_name() -> None:
    used = {role for service in SERVICES for *_, operation in operations(service) for role in operation["x-roles"]}
    assert {role for role in used if not role.startswith("service:")} <= set(ROLES)

"""What `docs/errors.md` says of error codes is what the code answers with."""

from collections import defaultdict

from tests.contract.docs.errors import DOCUMENT, document, found


def test_the_document_is_that_of_the_code() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run python -m tests.contract.docs.errors"


def test_a_code_has_one_status() -> None:
    """A client that knows the code knows what to do; only what is unknown may be a path's (404) or a field's."""
    statuses = defaultdict(set)
    for place in found():
        if place.status is not None:
            statuses[place.code].add(place.status)
    assert {code: known for code, known in statuses.items() if len(known) > 1} == {}


def test_the_codes_of_every_kind_of_place_are_found() -> None:
    codes = {place.code for place in found()}
    assert {"claim_exists", "not_found", "token_expired", "identity_number.retired_15", "unknown_id"} <= codes
    assert {"fact_pending", "contended", "idempotency_key_reused", "too_large"} <= codes

"""The events are the contract: what is checked in is what the code writes, and it never breaks a reader."""

from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given as every
from hypothesis import settings
from hypothesis import strategies as st

from services.subsidy.wiring import DEFINITION as SUBSIDY
from shared.contracts.compatibility import compatible
from shared.contracts.schemas import contract, document, event_schemas, read_document
from shared.eventstore.decider import Aggregate, Event, Upcast
from shared.eventstore.record import EventTypes, encode_payload
from shared.values.personal import Clear, Personal
from tests.contract.events.generate import main, write
from tests.contract.events.samples import anything_like, example, payload_of
from tests.contract.events.tree import contract_of, definitions, event_classes

HOW = "run: python -m tests.contract.events.generate"
SCHEMAS = {tag: schema for one in definitions().values() for tag, schema in event_schemas(one.aggregates).items()}


@pytest.mark.parametrize("service", definitions())
def test_the_checked_in_contract_is_what_the_code_writes(service: str) -> None:
    path = contract_of(service)
    assert path.exists(), HOW
    checked_in, definition = read_document(path.read_bytes()), definitions()[service]
    new = contract(definition.aggregates, definition.upcasts, checked_in)
    assert compatible(checked_in, new) == []
    assert {upcast.old for upcast in definition.upcasts} <= checked_in.keys(), "an older event has left the contract"
    assert path.read_bytes() == document(new), HOW


def test_every_service_of_the_design_has_a_contract() -> None:
    assert set(definitions()) == {"registry", "training", "subsidy", "loans", "notify", "audit"}


@pytest.mark.parametrize("service", definitions())
def test_a_tag_names_its_service_the_event_and_its_version(service: str) -> None:
    for aggregate in definitions()[service].aggregates:
        for kind in aggregate.events:
            tag = str(kind.__struct_config__.tag)
            assert tag.rpartition(".v")[0] == f"{service}.{kind.__name__}"
            assert int(tag.rpartition(".v")[2]) >= 1


def test_no_two_services_write_under_one_tag() -> None:
    written = sum(len(aggregate.events) for one in definitions().values() for aggregate in one.aggregates)
    assert len(event_classes()) == written


@pytest.mark.parametrize("tag", event_classes())
@settings(max_examples=12, deadline=None)
@every(data=st.data())
def test_whatever_an_event_holds_its_bytes_are_as_the_contract_says(tag: str, data: st.DataObject) -> None:
    kind = event_classes()[tag]
    event = data.draw(anything_like(kind))
    payload = payload_of(event)
    jsonschema.Draft202012Validator(SCHEMAS[tag]).validate(msgspec.json.decode(payload))
    types = EventTypes([Aggregate("x", (kind,), object, lambda state, _: state)])
    assert encode_payload(types.decode(tag, payload)) == payload


@pytest.mark.parametrize("tag", event_classes())
def test_nothing_personal_stands_in_clear_in_an_events_bytes(tag: str) -> None:
    secret = "欧阳秘密310101199001011234"
    kind = event_classes()[tag]
    assert secret.encode() not in payload_of(_with_secrets(example(kind), secret))


def _with_secrets(value: Any, secret: str) -> Any:
    """The same value with every personal value in it replaced by `secret`."""
    if isinstance(value, Clear):
        return Clear(value.subject, secret)
    if isinstance(value, msgspec.Struct):
        changes = {name: _with_secrets(found, secret) for name, found in msgspec.structs.asdict(value).items()}
        return type(value)(**changes)
    return tuple(_with_secrets(item, secret) for item in value) if isinstance(value, tuple) else value


# -- the schemas -----------------------------------------------------------------------------------------------------


class Told(Event, frozen=True, tag="test.Told.v1"):
    who: Personal[str]
    what: str = "nothing"


TOLD: Aggregate[object] = Aggregate("tld", (Told,), object, lambda state, _: state)


def test_a_personal_value_is_described_as_the_sealed_object_that_it_is_on_the_wire() -> None:
    schema = event_schemas([TOLD])["test.Told.v1"]["$defs"]["Told"]
    assert schema["required"] == ["type", "who"]
    sealed = schema["properties"]["who"]
    assert (set(sealed["properties"]), sealed["x-personal"]) == ({"subject", "alg", "field", "box"}, True)
    written = msgspec.json.decode(payload_of(Told(Clear("per_1", "欧阳"))))["who"]
    assert set(written) == set(sealed["required"])


def test_the_same_events_give_the_same_bytes_in_whatever_order() -> None:
    backwards = event_schemas(reversed(SUBSIDY.aggregates))
    assert document(event_schemas(SUBSIDY.aggregates)) == document(backwards)
    assert read_document(document(backwards)) == backwards


# -- writing them ----------------------------------------------------------------------------------------------------


def definition(*kinds: type[Event]) -> Any:
    aggregate: Aggregate[object] = Aggregate("tld", kinds, object, lambda state, _: state)
    return msgspec.structs.replace(Written(), aggregates=(aggregate,))


class Written(msgspec.Struct):
    aggregates: tuple[Aggregate[Any], ...] = ()
    upcasts: tuple[Upcast, ...] = ()


class ToldMore(Event, frozen=True, tag="test.Told.v1"):
    who: Personal[str]
    what: str = "nothing"
    where: str | None = None


class ToldLess(Event, frozen=True, tag="test.Told.v1"):
    who: Personal[str]


def test_a_contract_is_written_grows_and_is_never_broken(tmp_path: Path) -> None:
    path = tmp_path / "contracts" / "events.json"
    assert write(definition(Told), path) == []
    assert write(definition(ToldMore), path) == []
    grown = path.read_bytes()
    assert b'"where"' in grown
    assert write(definition(ToldLess), path) == [
        "test.Told.v1/what: the field is gone",
        "test.Told.v1/where: the field is gone",
    ]
    assert path.read_bytes() == grown


def test_the_command_says_what_it_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "events.json"
    monkeypatch.setattr("tests.contract.events.generate.contract_of", lambda _: path)
    monkeypatch.setattr("tests.contract.events.generate.definitions", lambda: {"told": definition(Told)})
    assert main([]) == 0
    monkeypatch.setattr("tests.contract.events.generate.definitions", lambda: {"told": definition(ToldLess)})
    assert main(["told"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "told: written",
        "told: test.Told.v1/what: the field is gone",
        "told: refused",
    ]

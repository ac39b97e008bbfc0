"""Carriers and banks: whom the tokens name."""

from typing import get_args

import pytest

from services.registry.domain import bank, carrier
from services.registry.domain.bank import BANK, BankRegistered, RegisterBank
from services.registry.domain.carrier import CARRIER, CarrierKind, CarrierRegistered, RegisterCarrier
from shared.eventstore.decider import Take
from shared.testing import city
from shared.testing.spec import given
from shared.values.ids import BankId, CarrierId

CAR, BNK = CarrierId("car_1"), BankId("bnk_1")
CARRIER_REGISTERED = CarrierRegistered(
    carrier_id=CAR, code="demo-1", name="浦东新区就业促进中心（示范）", kind="district", district="310115"
)
BANK_REGISTERED = BankRegistered(bank_id=BNK, code="demo-a", name="申江示范银行")


@pytest.mark.clause("A-12")
def test_the_five_kinds_of_carrier_are_known() -> None:
    assert set(get_args(CarrierKind)) == {kind.value for kind in city.CarrierKind}
    assert len(get_args(CarrierKind)) == 5


@pytest.mark.clause("A-12")
def test_a_carrier_is_registered_under_the_code_of_its_token() -> None:
    command = RegisterCarrier(CAR, "demo-1", CARRIER_REGISTERED.name, "district", "310115", None)
    given(CARRIER).when(carrier.decide, command).then(CARRIER_REGISTERED)
    assert CARRIER.limits(CARRIER.initial(), CARRIER_REGISTERED) == (Take("carrier/code", "demo-1"),)


def test_a_code_belongs_to_one_carrier() -> None:
    command = RegisterCarrier(CAR, "demo-1", "另一家", "district", "310115", "car_0")
    refused = given(CARRIER).when(carrier.decide, command).then_rejected("carrier_exists")
    assert refused.extensions == {"carrier_id": "car_0"}


@pytest.mark.clause("A-13")
def test_a_bank_is_registered_under_the_code_of_its_token() -> None:
    given(BANK).when(bank.decide, RegisterBank(BNK, "demo-a", "申江示范银行", None)).then(BANK_REGISTERED)
    assert BANK.limits(BANK.initial(), BANK_REGISTERED) == (Take("bank/code", "demo-a"),)


def test_a_code_belongs_to_one_bank() -> None:
    command = RegisterBank(BNK, "demo-a", "另一家", "bnk_0")
    refused = given(BANK).when(bank.decide, command).then_rejected("bank_exists")
    assert refused.extensions == {"bank_id": "bnk_0"}


def test_one_code_may_name_a_carrier_and_a_bank() -> None:
    assert carrier.CODE != bank.CODE

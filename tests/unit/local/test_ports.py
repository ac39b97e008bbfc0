"""Which ports a stack takes."""

import socket
from collections.abc import Iterator

import pytest

from deploy.local import ports
from deploy.local.settings import SERVICES


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind((ports.LOOPBACK, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_that_somebody_listens_on_is_not_free(taken: int) -> None:
    assert not ports.is_free(taken)


def test_a_port_is_free_again_when_its_listener_has_gone() -> None:
    assert ports.is_free(ports.any_free())


def test_services_stand_in_a_row_in_the_order_of_the_design() -> None:
    assert ports.service_ports(8101) == {
        "registry": 8101,
        "training": 8102,
        "subsidy": 8103,
        "loans": 8104,
        "notify": 8105,
        "audit": 8106,
    }


@pytest.mark.parametrize("place", range(len(SERVICES)))
def test_one_taken_port_moves_the_whole_stack(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: port != 8101 + place)
    assert ports.find_base(8101) == 8101 + ports.STEP


def test_a_search_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: False)
    with pytest.raises(ports.NoFreePorts, match="8101"):
        ports.find_base(8101)
    with pytest.raises(ports.NoFreePorts):
        ports.find_port(8107)


def test_a_port_chosen_for_another_part_is_not_chosen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: True)
    assert ports.find_port(8107, not_in=[8107, 8108]) == 8109

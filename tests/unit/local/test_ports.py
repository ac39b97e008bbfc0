"""Which ports a stack takes."""

import socket
import subprocess
import sys
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
def test_one_taken_port_moves_the_whole_stack(place: int) -> None:
    assert ports.find_base(8101, lambda *row: 8101 + place not in row) == 8101 + ports.STEP


def test_a_search_without_end_is_refused() -> None:
    with pytest.raises(ports.NoFreePorts, match="8101"):
        ports.find_base(8101, lambda *row: False)
    with pytest.raises(ports.NoFreePorts):
        ports.find_port(8107, free=lambda port: False)


def test_a_port_chosen_for_another_part_is_not_chosen_again() -> None:
    assert ports.find_port(8107, not_in=[8107, 8108], free=lambda port: True) == 8109


def test_a_port_that_is_claimed_is_nobody_else_s_although_nobody_listens_on_it() -> None:
    port, one, other = ports.any_free(), ports.Claims(), ports.Claims()
    assert one.take(port)
    assert ports.is_free(port)
    assert not other.take(port)
    assert not one.take(port), "it is chosen already"
    one.release()
    assert other.take(port)
    other.release()


def test_of_a_row_that_is_not_free_nothing_is_claimed(taken: int) -> None:
    first, one, other = ports.any_free(), ports.Claims(), ports.Claims()
    assert not one.take(first, taken)
    assert other.take(first)
    other.release()
    assert one.take(first)
    one.release()


def test_a_claim_goes_with_its_process() -> None:
    port = ports.any_free()
    program = f"from deploy.local.ports import Claims; mine = Claims(); print(mine.take({port}), flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"True\n"
    mine = ports.Claims()
    assert not mine.take(port)
    holder.kill()
    holder.communicate()
    assert mine.take(port)
    mine.release()


def test_what_somebody_listens_on_cannot_be_claimed(taken: int) -> None:
    assert not ports.Claims().take(taken)

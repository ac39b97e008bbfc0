"""Strays: what came of another log, until the known one goes on behind it."""

from uuid import UUID

from aiokafka.structs import ConsumerRecord

from shared.messaging.strays import MOST, Stray, Strays

OTHER = UUID(int=7)


def stray(offset: int, partition: int = 0) -> Stray:
    message = ConsumerRecord(
        "huchuang.registry.events", partition, offset, 0, 0, b"acc_a", b"{}", None, 5, 2, headers=()
    )
    return Stray(message, OTHER)


def test_a_source_is_refused_until_its_log_has_gone_on_in_each_partition() -> None:
    strays, first, second, third = Strays(), stray(1), stray(2), stray(9, partition=3)
    for each in (first, second, third):
        strays.hold("registry", each)
    assert strays.sources == {"registry"}
    assert strays.before("training", 0) == strays.before("registry", 1) == []
    assert strays.before("registry", 0) == [first, second]
    assert strays.before("registry", 0) == []
    assert strays.sources == {"registry"}
    assert strays.before("registry", 3) == [third]
    assert strays.sources == set()


def test_more_than_can_be_remembered_are_no_strays() -> None:
    strays = Strays()
    for offset in range(MOST):
        strays.hold("registry", stray(offset, partition=offset % 4))
    strays.hold("training", stray(1))
    assert len(strays.before("registry", 0)) == MOST / 4
    for offset in range(MOST):
        strays.hold("registry", stray(offset))
    assert strays.before("registry", 0) == []
    assert strays.sources == {"registry", "training"}
    assert len(strays.before("training", 0)) == 1
    assert strays.sources == {"registry"}

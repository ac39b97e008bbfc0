"""Strays: what came of another log, until the known one goes on behind it."""

from uuid import UUID

from aiokafka.structs import ConsumerRecord

from shared.messaging.strays import MOST, Passed, Stray, Strays

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
    assert strays.before("training", 0) is strays.before("registry", 1) is None
    assert strays.before("registry", 0) == Passed([first, second], 0)
    assert strays.before("registry", 0) is None
    assert strays.sources == {"registry"}
    assert strays.before("registry", 3) == Passed([third], 0)
    assert strays.sources == set()


def test_of_more_than_can_be_remembered_the_number_is_known_and_they_end_as_well() -> None:
    strays = Strays()
    for offset in range(MOST + 3):
        strays.hold("registry", stray(offset, partition=offset % 4))
    strays.hold("training", stray(1))
    assert (strays.sources, strays.many) == ({"registry", "training"}, {"registry"})
    passed = [strays.before("registry", partition) for partition in range(4)]
    assert [(len(each.held), each.more) for each in passed if each] == [(25, 1), (25, 1), (25, 1), (25, 0)]
    assert (strays.sources, strays.many) == ({"training"}, set())

"""One of three nodes that the others do not reach, and that clients do: nothing is lost, nothing takes effect twice."""

from collections.abc import AsyncIterator

import pytest

from tests.brokers import empty
from tests.conformance.city import ONCE, City
from tests.conformance.conftest import TOPIC
from tests.conformance.separable import NODES, Separated, separated
from tests.faults.proxy import Trouble
from tests.faults.report import Result, keep
from tests.integration.messaging.working import at_work

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Separated]:
    async with separated(tmp_path_factory.mktemp("separated"), TOPIC) as found:
        yield found


@pytest.fixture
async def three(cluster: Separated) -> Separated:
    await empty(cluster.running.bootstrap, TOPIC)
    return cluster


@pytest.mark.parametrize("trouble", [Trouble("cut"), Trouble("half-open")], ids=str)
@pytest.mark.parametrize("node", NODES)
async def test_one_that_is_partitioned_away_is_done_without(
    node: int, trouble: Trouble, three: Separated, city: City
) -> None:
    bootstrap = three.running.bootstrap
    serving = at_work(city.relay(bootstrap).run(), city.consumer(bootstrap).run())
    async with serving as working, city.under_load(working) as load:
        await load.goes_on()
        before = await city.incarnation()
        three.partition(node, trouble)
        for _ in range(3):
            await load.goes_on()
        three.heal(node)
        await load.goes_on()
    assert await city.incarnation() == before
    await city.is_whole(load.head)
    keep(Result("partitioned away, clients still reach it", "one of three Kafka nodes", 1, ONCE, ""))

"""Positions: of the events that a service has appended, none is left behind on the way to its log."""

from collections.abc import Mapping

from deploy.local.verify.databases import reading
from deploy.local.verify.findings import Checked

SHOWN = 100
"""How many findings of one kind a service's database is asked for."""
UNPLACED = """
    select e.stream, e.version from event e
    where not exists (select from log l where l.stream = e.stream and l.version = e.version)
      and not exists (select from unsequenced u where u.stream = e.stream and u.version = e.version)
    order by 1, 2 limit $1
"""
PLACED_AND_WAITING = """
    select u.stream, u.version from unsequenced u join log l on l.stream = u.stream and l.version = u.version
    order by 1, 2 limit $1
"""
CUT_SHORT = """
    select s.id as stream, s.version from stream s
    left join (select stream, count(*) as events, max(version) as newest from event group by 1) e on e.stream = s.id
    where e.newest is distinct from s.version or e.events is distinct from s.version
    order by 1, 2 limit $1
"""


async def check_positions(databases: Mapping[str, str]) -> Checked:
    """Every event of every stream has a position or waits for one, never both, and no stream has lost any."""
    findings: list[str] = []
    count = 0
    for service, database in databases.items():
        async with reading(database) as connection:
            count += await connection.fetchval("select count(*) from event")
            for query, what in (
                (UNPLACED, "既没有位置，也不在等待位置"),
                (PLACED_AND_WAITING, "已有位置，仍在等待位置"),
                (CUT_SHORT, "是事件流的版本，与所存事件不符"),
            ):
                rows = await connection.fetch(query, SHOWN)
                findings += [f"{service} {row['stream']} 第 {row['version']} 个事件{what}" for row in rows]
    return Checked("事件皆有位置", f"{count} 个事件", findings)

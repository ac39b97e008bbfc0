-- Plans are cached when tables may still be empty, so the settings below keep them on the primary keys.
-- All events of some streams, in order of version. `place` orders events of different streams: their position, or for
-- those that wait for one their turn behind everything that has one.
create function read_streams(p_streams text[])
returns table (stream text, place bigint, type text, payload bytea) language sql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
    select e.stream, coalesce(l.position, (1::bigint << 60) + u.seq), e.type, e.payload
    from event e
    left join log l on l.stream = e.stream and l.version = e.version
    left join lateral (
        select w.seq from unsequenced w where l.position is null and w.stream = e.stream and w.version = e.version
    ) u on true
    where e.stream = any (p_streams)
    order by e.stream, e.version
$$;

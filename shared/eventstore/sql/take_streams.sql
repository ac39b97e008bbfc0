-- Streams of a batch: new ones are put in at their new version, existing ones locked, both in order of id.
-- Returns, by command, the stream that it lost: one that is not at the version it expected, or that an earlier
-- command of the batch wants as well (it will be tried again on a fresh load).
-- Every batch takes streams before limits before keys, within each kind new rows before locked ones, and both in order
-- of their key, so no two batches wait for each other. Locking in the order of arrival instead gave seven deadlocks in six seconds.
create function take_streams(p_command int[], p_stream text[], p_expected int[], p_version int[])
returns table (command int, lost text) language plpgsql as $$
declare
    v_new text[];
begin
    with made as (
        insert into stream as s (id, version)
            select distinct on (u.stream) u.stream, u.version
            from unnest(p_stream, p_expected, p_version, p_command) as u (stream, expected, version, command)
            where u.expected = 0
            order by u.stream, u.command
            on conflict do nothing
            returning s.id
    )
    select coalesce(array_agg(made.id), '{}') into v_new from made;
    return query
        with locked as materialized (
            select s.id, s.version from stream s
            where s.id = any (select u.stream from unnest(p_stream, p_expected) as u (stream, expected)
                              where u.expected > 0)
            order by s.id for update
        ), wanted as (
            select u.*, row_number() over (partition by u.stream order by u.command) as turn
            from unnest(p_command, p_stream, p_expected) as u (command, stream, expected)
        )
        select w.command, w.stream
        from wanted w left join locked l on l.id = w.stream
        where w.turn > 1
           or (w.expected = 0 and w.stream <> all (v_new))
           or (w.expected > 0 and l.version is distinct from w.expected);
end
$$;

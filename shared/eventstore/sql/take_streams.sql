-- Streams of a batch: new ones are put in at their new version, existing ones locked, both in order of id.
-- Returns, by command, the stream that it lost: one that is not at the version it expected, or that an earlier
-- command of the batch wants as well (it will be tried again on a fresh load).
-- Every batch takes streams before limits before keys, within each kind new rows before locked ones, and both in order
-- of their key, so no two batches wait for each other. Locking in the order of arrival instead gave seven deadlocks in
-- six seconds.
create function take_streams(p_command int[], p_stream text[], p_expected int[], p_version int[])
returns table (command int, lost text) language plpgsql as $$
declare
    v_made int[];
    v_found int[];
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
    select array_agg(array_position(p_stream, made.id)) into v_made from made;
    if cardinality(v_made) = cardinality(p_stream) then
        return;
    end if;
    select array_agg(l.n) into v_found
        from (
            select u.n, u.turn, u.expected, s.version
            from (
                select w.*, row_number() over (partition by w.stream order by w.command) as turn
                from unnest(p_command, p_stream, p_expected) with ordinality as w (command, stream, expected, n)
            ) u
            join stream s on s.id = u.stream
            where u.expected > 0
            order by s.id for update of s
        ) l
        where l.turn = 1 and l.version = l.expected;
    if coalesce(cardinality(v_made), 0) + coalesce(cardinality(v_found), 0) < cardinality(p_stream) then
        return query
            select u.command, u.stream
            from unnest(p_command, p_stream) with ordinality as u (command, stream, n)
            where u.n <> all (coalesce(v_made, '{}') || coalesce(v_found, '{}'));
    end if;
end
$$;

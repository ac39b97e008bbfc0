-- Inline rows of a batch: the last word on each (view, key) counts; no value takes the row away.
create function write_rows(r_command int[], r_view text[], r_key text[], r_value bytea[], p_kept int[])
returns void language plpgsql as $$
begin
    with last as (
        select distinct on (u.view, u.key) u.view, u.key, u.value
        from unnest(r_command, r_view, r_key, r_value) with ordinality as u (command, view, key, value, n)
        where u.command = any (p_kept)
        order by u.view, u.key, u.n desc
    ), gone as (
        delete from inline_row r using last where r.view = last.view and r.key = last.key and last.value is null
    )
    insert into inline_row (view, key, value)
        select last.view, last.key, last.value from last where last.value is not null
        on conflict (view, key) do update set value = excluded.value;
end
$$;

-- Where the live inline rows and the staged ones differ; of several streams that write a row, the last one counts.
create function differing_rows() returns table (name text, view text, key text, live text, expected text)
language plpgsql as $$
#variable_conflict use_column
begin
    return query
        with said as (
            select distinct on (s.view, s.key) s.view, s.key, s.value from staged_row s
            order by s.view, s.key, s.place desc
        )
        select 'inline_row', view, key, convert_from(r.value, 'UTF8'), convert_from(said.value, 'UTF8')
        from inline_row r full join (select * from said where value is not null) said using (view, key)
        where r.value is distinct from said.value;
end
$$;

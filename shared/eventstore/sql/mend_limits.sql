-- Make the live limits what is staged, where they differ. Returns how many did.
create function mend_limits(p_apart text[]) returns bigint language plpgsql as $$
declare
    v_one record;
    v_holder text;
    v_count bigint := 0;
begin
    for v_one in select * from differing_limits(p_apart) loop
        v_count := v_count + 1;
        if v_one.name = 'limit_bounded' then
            insert into limit_bounded as l (scope, key, used, bound)
                values (v_one.scope, v_one.key, coalesce(split_part(v_one.expected, '/', 1), '0')::numeric,
                        coalesce(split_part(v_one.expected, '/', 2), '0')::numeric)
                on conflict (scope, key) do update set used = excluded.used, bound = excluded.bound;
        elsif exists (select from staged_place p where p.scope = v_one.scope and p.key = v_one.key) then
            delete from limit_unique l where l.scope = v_one.scope
                and l.key ^@ (v_one.key || '/')
                and l.key ~ '/[0-9]+$' and regexp_replace(l.key, '/[0-9]+$', '') = v_one.key;
            insert into limit_unique (scope, key, holder)
                select v_one.scope, v_one.key || '/' || row_number() over (order by p.stream), p.stream
                from staged_place p, generate_series(1, p.places)
                where p.scope = v_one.scope and p.key = v_one.key;
        else
            select h.stream into v_holder from staged_held h
                where h.scope = v_one.scope and h.key = v_one.key limit 1;
            insert into limit_unique (scope, key, holder) values (v_one.scope, v_one.key, v_holder)
                on conflict (scope, key) do update set holder = excluded.holder;
        end if;
    end loop;
    return v_count;
end
$$;

-- Where the live limits and the staged ones differ. A place is compared by its holder, not by its number: which of the
-- free places is taken is chosen where the rows are locked.
create function differing_limits(p_apart text[])
returns table (name text, scope text, key text, live text, expected text) language plpgsql as $$
#variable_conflict use_column
begin
    return query
        with place_key as (select distinct p.scope, p.key from staged_place p),
        live_one as (
            select l.scope, coalesce(k.key, l.key) as key, k.key is not null as is_place, l.holder
            from limit_unique l
            left join place_key k on k.scope = l.scope and l.key ~ '/[0-9]+$'
                and k.key = regexp_replace(l.key, '/[0-9]+$', '')
            where l.holder is not null and l.scope <> all (p_apart)
        ), live as (
            select o.scope, o.key, string_agg(o.holder, ' ' order by o.holder) as holders
            from live_one o group by o.scope, o.key
        ), said_one as (
            select h.scope, h.key, h.stream as holder from staged_held h
            union all
            select p.scope, p.key, p.stream from staged_place p, generate_series(1, p.places)
        ), said as (
            select o.scope, o.key, string_agg(o.holder, ' ' order by o.holder) as holders
            from said_one o group by o.scope, o.key
        )
        select 'limit_unique', scope, key, live.holders, said.holders
        from live full join said using (scope, key)
        where live.holders is distinct from said.holders;
    return query
        with said as (
            select scope, key, coalesce(u.used, 0) as used, coalesce(b.bound, 0) as bound
            from (select s.scope, s.key, sum(s.amount) as used from staged_use s group by s.scope, s.key) u
            full join (
                select distinct on (s.scope, s.key) s.scope, s.key, s.bound from staged_bound s
                order by s.scope, s.key, s.place desc
            ) b using (scope, key)
        )
        select 'limit_bounded', scope, key, l.used || '/' || l.bound,
               said.used::numeric(18, 2) || '/' || said.bound::numeric(18, 2)
        from limit_bounded l full join said using (scope, key)
        where (coalesce(l.used, 0), coalesce(l.bound, 0)) <> (coalesce(said.used, 0), coalesce(said.bound, 0));
end
$$;

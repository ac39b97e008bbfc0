-- One page of a list: rows of a kind that carry all facets, after a cursor, in order of id or against it.
create function read_listing(p_kind text, p_facets text[], p_after text, p_limit integer, p_newest_first boolean)
returns table (id text, body bytea) language plpgsql stable as $$
declare
    v_build integer;
begin
    select b.build into v_build from projection_build b where b.name = 'listing' and b.state = 'live';
    if p_newest_first then
        return query
            select l.id, l.body from listing l
            where l.build = v_build and l.kind = p_kind and l.facets @> p_facets and (p_after is null or l.id < p_after)
            order by l.id desc limit p_limit;
    else
        return query
            select l.id, l.body from listing l
            where l.build = v_build and l.kind = p_kind and l.facets @> p_facets and (p_after is null or l.id > p_after)
            order by l.id limit p_limit;
    end if;
end
$$;

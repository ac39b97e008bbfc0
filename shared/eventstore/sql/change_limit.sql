-- Carry out one change of a limit for its holder; raise HC002 when the limit does not allow it.
-- The detail of the error is the JSON of scope, key and, for a unique limit, who holds it.
create function change_limit(
    p_op text, p_scope text, p_key text, p_holder text, p_places integer, p_amount numeric
) returns void language plpgsql as $$
declare
    v_place text;
    v_holder text;
begin
    case p_op
    when 'take' then
        update limit_unique set holder = p_holder where scope = p_scope and key = p_key and holder is null;
        if not found then
            select holder into v_holder from limit_unique where scope = p_scope and key = p_key;
            raise exception 'taken' using errcode = 'HC002',
                detail = json_build_object('scope', p_scope, 'key', p_key, 'holder', v_holder)::text;
        end if;
    when 'release' then
        update limit_unique set holder = null where scope = p_scope and key = p_key and holder = p_holder;
    when 'take_place' then
        select w.key into v_place
            from generate_series(1, p_places) as g (place)
            cross join lateral (select p_key || '/' || g.place as key) w
            join limit_unique l on l.scope = p_scope and l.key = w.key
            where l.holder is null order by g.place limit 1;
        if v_place is null then
            raise exception 'no place' using errcode = 'HC002',
                detail = json_build_object('scope', p_scope, 'key', p_key, 'places', p_places)::text;
        end if;
        update limit_unique set holder = p_holder where scope = p_scope and key = v_place;
    when 'release_place' then
        update limit_unique l set holder = null
            from generate_series(1, p_places) as g (place)
            where l.scope = p_scope and l.key = p_key || '/' || g.place and l.holder = p_holder;
    when 'set_bound' then
        update limit_bounded set bound = p_amount where scope = p_scope and key = p_key and used <= p_amount;
        if not found then
            raise exception 'below use' using errcode = 'HC002',
                detail = json_build_object('scope', p_scope, 'key', p_key)::text;
        end if;
    when 'use' then
        update limit_bounded set used = used + p_amount
            where scope = p_scope and key = p_key and used + p_amount between 0 and bound;
        if not found then
            raise exception 'bound exceeded' using errcode = 'HC002',
                detail = json_build_object('scope', p_scope, 'key', p_key)::text;
        end if;
    end case;
end
$$;

-- Carry out one command's changes of bounded limits, in order; raise HC002 when one does not fit.
create function use_bounds(p_op text[], p_scope text[], p_key text[], p_amount numeric[])
returns void language plpgsql as $$
begin
    for i in 1 .. array_length(p_op, 1) loop
        if p_op[i] = 'set_bound' then
            update limit_bounded set bound = p_amount[i]
                where scope = p_scope[i] and key = p_key[i] and used <= p_amount[i];
        else
            update limit_bounded set used = used + p_amount[i]
                where scope = p_scope[i] and key = p_key[i] and used + p_amount[i] between 0 and bound;
        end if;
        if not found then
            raise exception 'bound' using errcode = 'HC002',
                detail = json_build_object('scope', p_scope[i], 'key', p_key[i])::text;
        end if;
    end loop;
end
$$;

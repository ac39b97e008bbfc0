-- Unique limits of a batch: free keys are put in with their holder, others locked, both in order of (scope, key).
-- Returns, by command, what stands in the way of putting each taken key in new: `lost` when somebody holds it, whom
-- `holder` names; otherwise the row is there, free, and is still to be taken. A key that the same command releases
-- counts as free. Nothing is returned, and nothing looked up, when all keys are new: the ordinary case.
create function take_limits(p_command int[], p_op text[], p_scope text[], p_key text[], p_holder text[])
returns table (command int, scope text, key text, holder text, lost boolean) language plpgsql as $$
declare
    v_made int;
    v_self xid;
begin
    insert into limit_unique as l (scope, key, holder)
        select distinct on (u.scope, u.key) u.scope, u.key, u.holder
        from unnest(p_op, p_scope, p_key, p_holder, p_command) as u (op, scope, key, holder, command)
        where u.op = 'take'
        order by u.scope, u.key, u.command
        on conflict do nothing;
    get diagnostics v_made = row_count;
    if v_made = cardinality(p_op) then
        return;
    end if;
    v_self := pg_current_xact_id()::xid;
    return query
        with locked as materialized (
            select l.scope, l.key, l.holder
            from (select distinct u.scope, u.key from unnest(p_scope, p_key) as u (scope, key)) w
            join limit_unique l on l.scope = w.scope and l.key = w.key and l.xmin <> v_self
            order by l.scope, l.key for update of l
        ), wanted as (
            select u.*, row_number() over (partition by u.scope, u.key order by u.command) as turn
            from unnest(p_command, p_op, p_scope, p_key, p_holder) as u (command, op, scope, key, holder)
            where u.op = 'take'
        )
        select w.command, w.scope, w.key, l.holder,
               w.turn > 1 or (l.holder is not null and not exists (
                  select from unnest(p_command, p_op, p_scope, p_key, p_holder) as r (command, op, scope, key, holder)
                  where r.command = w.command and r.op = 'release' and r.scope = w.scope and r.key = w.key
                    and r.holder = l.holder))
        from wanted w left join locked l on l.scope = w.scope and l.key = w.key
        where w.turn > 1 or l.key is not null;
end
$$;

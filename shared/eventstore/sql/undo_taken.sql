-- Take away what was put in beforehand for the commands of a batch that wrote nothing: new streams, new limits, new
-- idempotency keys, new subjects' keys. Nothing has been updated yet in this transaction, so its own rows are those
-- that it put in.
create function undo_taken(
    p_outcome text[], p_owner text[], p_key text[],
    s_command int[], s_stream text[], l_command int[], l_op text[], l_scope text[], l_key text[], l_holder text[],
    k_command int[], k_subject text[], k_wrapped bytea[]
) returns void language plpgsql as $$
declare
    v_self xid := pg_current_xact_id()::xid;
begin
    delete from stream s
        using unnest(s_command, s_stream) as u (command, stream)
        where s.id = u.stream and s.xmin = v_self and p_outcome[u.command] <> 'ok'
          and not exists (
              select from unnest(s_command, s_stream) as o (command, stream)
              where o.stream = u.stream and p_outcome[o.command] = 'ok');
    if l_op <> '{}' then
        delete from limit_unique l
            using unnest(l_command, l_op, l_scope, l_key, l_holder) as u (command, op, scope, key, holder)
            where u.op = 'take' and l.scope = u.scope and l.key = u.key and l.holder = u.holder and l.xmin = v_self
              and p_outcome[u.command] <> 'ok'
              and not exists (
                  select from unnest(l_command, l_op, l_scope, l_key) as o (command, op, scope, key)
                  where o.op = 'take' and o.scope = u.scope and o.key = u.key and p_outcome[o.command] = 'ok');
    end if;
    delete from idempotency i
        using unnest(p_owner, p_key) with ordinality as u (client, key, n)
        where i.client = u.client and i.key = u.key and i.xmin = v_self and p_outcome[u.n::int] <> 'ok'
          and not exists (
              select from unnest(p_owner, p_key) with ordinality as o (client, key, n)
              where o.client = u.client and o.key = u.key and p_outcome[o.n::int] = 'ok');
    delete from subject_key k
        using unnest(k_command, k_subject, k_wrapped) as u (command, subject, wrapped)
        where k.subject = u.subject and k.wrapped = u.wrapped and p_outcome[u.command] <> 'ok';
end
$$;

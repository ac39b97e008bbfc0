-- Idempotency keys of a batch: new ones are put in with their answer, in order of (client, key).
-- Returns, by command, the answer that its key already has, or null where only another command of the batch, or an
-- expired answer, stood in the way. Expired ones are taken away. Nothing is looked up when all keys are new.
create function take_keys(
    p_owner text[], p_key text[], p_fingerprint bytea[], p_answer bytea[], p_now timestamptz, p_keep interval[]
) returns table (command int, fingerprint bytea, answer bytea) language plpgsql as $$
declare
    v_made int;
    v_self xid;
begin
    insert into idempotency as i (client, key, fingerprint, answer, expires_at)
        select distinct on (u.client, u.key) u.client, u.key, u.fingerprint, u.answer, p_now + u.keep
        from unnest(p_owner, p_key, p_fingerprint, p_answer, p_keep) with ordinality
            as u (client, key, fingerprint, answer, keep, n)
        where u.key is not null
        order by u.client, u.key, u.n
        on conflict do nothing;
    get diagnostics v_made = row_count;
    if v_made = cardinality(array_remove(p_key, null)) then
        return;
    end if;
    v_self := pg_current_xact_id()::xid;
    delete from idempotency d
        using (
            select i.client, i.key from unnest(p_owner, p_key) as u (client, key)
            join idempotency i on i.client = u.client and i.key = u.key
            where i.expires_at <= clock_timestamp() and i.xmin <> v_self
            order by i.client, i.key for update of i
        ) old
        where d.client = old.client and d.key = old.key;
    return query
        select u.n::int,
               case when i.xmin <> v_self then i.fingerprint end,
               case when i.xmin <> v_self then i.answer end
        from (
            select w.*, row_number() over (partition by w.client, w.key order by w.n) as turn
            from unnest(p_owner, p_key) with ordinality as w (client, key, n)
            where w.key is not null
        ) u
        left join idempotency i on i.client = u.client and i.key = u.key
        where u.turn > 1 or i.key is null or i.xmin <> v_self;
end
$$;

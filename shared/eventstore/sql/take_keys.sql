-- Idempotency keys of a batch: new ones are put in with their answer, in order of (client, key).
-- Returns, by command, the answer that its key already has, or null where only another command of the batch, or an
-- expired answer, stands in the way. Expired ones are taken away first.
create function take_keys(
    p_client text[], p_key text[], p_fingerprint bytea[], p_answer bytea[], p_now timestamptz, p_keep interval[]
) returns table (command int, fingerprint bytea, answer bytea) language plpgsql as $$
begin
    delete from idempotency d
        using (
            select i.client, i.key from unnest(p_client, p_key) as u (client, key)
            join idempotency i on i.client = u.client and i.key = u.key
            where i.expires_at <= clock_timestamp()
            order by i.client, i.key for update of i
        ) old
        where d.client = old.client and d.key = old.key;
    return query
        with wanted as (
            select u.*, row_number() over (partition by u.client, u.key order by u.n) as turn
            from unnest(p_client, p_key, p_fingerprint, p_answer, p_keep) with ordinality
                as u (client, key, fingerprint, answer, keep, n)
            where u.key is not null
        ), made as (
            insert into idempotency as i (client, key, fingerprint, answer, expires_at)
                select w.client, w.key, w.fingerprint, w.answer, p_now + w.keep
                from wanted w where w.turn = 1
                order by w.client, w.key
                on conflict do nothing
                returning i.client, i.key
        )
        select w.n::int, i.fingerprint, i.answer
        from wanted w
        left join made m on m.client = w.client and m.key = w.key
        left join idempotency i on i.client = w.client and i.key = w.key
        where w.turn > 1 or m.key is null;
end
$$;

-- Take away what `lock_batch` put in and no command of the batch used.
create function drop_placeholders(
    p_streams text[],
    p_unique_scopes text[], p_unique_keys text[],
    p_idempotency_clients text[], p_idempotency_keys text[]
) returns void language plpgsql as $$
begin
    delete from stream s where s.id = any (p_streams) and s.version = 0;
    delete from limit_unique l
        using unnest(p_unique_scopes, p_unique_keys) as w (scope, key)
        where l.scope = w.scope and l.key = w.key and l.holder is null;
    delete from idempotency i
        using unnest(p_idempotency_clients, p_idempotency_keys) as w (client, key)
        where i.client = w.client and i.key = w.key and i.answer is null;
end
$$;

-- Plans are cached when tables may still be empty, so the settings below keep them on the primary keys.
-- Everything that the commands of one group need to decide, in one round trip.
-- Each row says which part it belongs to:
--   s stream event: a stream, n version, b event id, x type, d payload, at recorded
--   u unique limit: a scope, b key, x holder          p bounded limit: a scope, b key, used, bound
--   f fact: a kind, b key, d value, n position        r inline row: a view, b key, d value
--   k subject key: a subject, d wrapped (null: destroyed)
--   i stored answer: a client, b key, d fingerprint, e answer
--   c business clock: at
create function load(
    p_streams text[],
    p_unique_scopes text[], p_unique_keys text[],
    p_bounded_scopes text[], p_bounded_keys text[],
    p_fact_kinds text[], p_fact_keys text[],
    p_row_views text[], p_row_keys text[],
    p_subjects text[],
    p_idempotency_clients text[], p_idempotency_keys text[]
) returns table (
    part "char", a text, b text, n bigint, x text, d bytea, e bytea, at timestamptz, used numeric, bound numeric
) language plpgsql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
    return query
        select 'c'::"char", null::text, null::text, null::bigint, null::text, null::bytea, null::bytea,
               c.stands_at, null::numeric, null::numeric
        from business_clock c;
    if p_streams <> '{}' then
        return query
            select 's'::"char", v.stream, v.id::text, v.version::bigint, v.type, v.payload, null::bytea,
                   v.recorded_at, null::numeric, null::numeric
            from event v where v.stream = any (p_streams) order by v.stream, v.version;
    end if;
    if p_unique_keys <> '{}' then
        return query
            select 'u'::"char", l.scope, l.key, null::bigint, l.holder, null::bytea, null::bytea,
                   null::timestamptz, null::numeric, null::numeric
            from unnest(p_unique_scopes, p_unique_keys) as w (scope, key)
            join limit_unique l on l.scope = w.scope and l.key = w.key where l.holder is not null;
    end if;
    if p_bounded_keys <> '{}' then
        return query
            select 'p'::"char", l.scope, l.key, null::bigint, null::text, null::bytea, null::bytea,
                   null::timestamptz, l.used, l.bound
            from unnest(p_bounded_scopes, p_bounded_keys) as w (scope, key)
            join limit_bounded l on l.scope = w.scope and l.key = w.key;
    end if;
    if p_fact_keys <> '{}' then
        return query
            select 'f'::"char", f.kind, f.key, f.position, null::text, f.value, null::bytea,
                   null::timestamptz, null::numeric, null::numeric
            from unnest(p_fact_kinds, p_fact_keys) as w (kind, key)
            join fact f on f.kind = w.kind and f.key = w.key;
    end if;
    if p_row_keys <> '{}' then
        return query
            select 'r'::"char", r.view, r.key, null::bigint, null::text, r.value, null::bytea,
                   null::timestamptz, null::numeric, null::numeric
            from unnest(p_row_views, p_row_keys) as w (view, key)
            join inline_row r on r.view = w.view and r.key = w.key;
    end if;
    if p_subjects <> '{}' then
        return query
            select 'k'::"char", k.subject, null::text, null::bigint, null::text, k.wrapped, null::bytea,
                   k.destroyed_at, null::numeric, null::numeric
            from subject_key k where k.subject = any (p_subjects);
    end if;
    if p_idempotency_keys <> '{}' then
        return query
            select 'i'::"char", i.client, i.key, null::bigint, null::text, i.fingerprint, i.answer,
                   null::timestamptz, null::numeric, null::numeric
            from unnest(p_idempotency_clients, p_idempotency_keys) as w (client, key)
            join idempotency i on i.client = w.client and i.key = w.key
            where i.answer is not null and i.expires_at > clock_timestamp();
    end if;
end
$$;

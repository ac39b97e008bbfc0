-- The changes of entries that a bank may see, after a position and up to another, in order of position.
-- An entry's first event names the banks that may see it, so its later ones need not.
-- `offset 0` keeps the plan on the log's range: no other way round is bounded by it.
create function whitelist_changes(p_bank text, p_after bigint, p_until bigint, p_limit integer)
returns table ("position" bigint, type text, payload bytea) language sql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off as $$
    select l.position, e.type, e.payload
    from log l
    cross join lateral (
        select v.type, v.payload from event v where v.stream = l.stream and v.version = l.version offset 0
    ) e
    cross join lateral (
        select convert_from(v.payload, 'UTF8')::jsonb -> 'bank_codes' as bank_codes
        from event v where v.stream = l.stream and v.version = 1 offset 0
    ) f
    where l.position > p_after and l.position <= p_until
      and e.type in ('loans.EntryInEffect.v1', 'loans.EntrySuspended.v1', 'loans.EntryRevoked.v1',
                     'loans.EntryExpired.v1')
      and f.bank_codes ? p_bank
    order by l.position
    limit p_limit
$$;

-- The changes of entries that a bank may see, after a position and up to another, in order of position.
-- An entry's first event names the banks that may see it, so its later ones need not.
create function whitelist_changes(p_bank text, p_after bigint, p_until bigint, p_limit integer)
returns table ("position" bigint, type text, payload bytea) language sql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
    select l.position, e.type, e.payload
    from log l
    join event e on e.stream = l.stream and e.version = l.version
    join event f on f.stream = l.stream and f.version = 1
    where l.position > p_after and l.position <= p_until
      and e.type in ('loans.EntryInEffect.v1', 'loans.EntrySuspended.v1', 'loans.EntryRevoked.v1',
                     'loans.EntryExpired.v1')
      and convert_from(f.payload, 'UTF8')::jsonb -> 'bank_codes' ? p_bank
    order by l.position
    limit p_limit
$$;

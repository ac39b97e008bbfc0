-- Whether an assertion is used for the first time; with each, a few expired ones are forgotten.
create function use_assertion(p_client text, p_jti text, p_expires_at timestamptz) returns boolean
language plpgsql as $$
declare
    v_inserted integer;
begin
    delete from used_assertion where ctid in (
        select ctid from used_assertion where expires_at < clock_timestamp() - interval '1 minute'
        limit 10 for update skip locked
    );
    insert into used_assertion values (p_client, p_jti, p_expires_at) on conflict do nothing;
    get diagnostics v_inserted = row_count;
    return v_inserted = 1;
end $$;

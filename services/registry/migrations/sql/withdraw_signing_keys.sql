-- Takes all signing keys away at once, and what they signed with them; the key given instead signs from now on.
create function withdraw_signing_keys(p_kid text, p_public_key text, p_private_key bytea) returns void
language plpgsql as $$
declare
    v_now timestamptz;
begin
    lock table signing_key in share row exclusive mode;
    v_now := clock_timestamp();
    delete from signing_key;
    insert into signing_key values (p_kid, p_public_key, p_private_key, v_now, v_now);
end $$;

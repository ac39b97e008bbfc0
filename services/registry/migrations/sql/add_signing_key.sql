-- Adds a signing key when it is time for one: the first signs at once, a later one after `p_lead`, so that whoever
-- verifies has seen it before. False, and nothing added, while the newest is younger than `p_age` or does not sign yet.
create function add_signing_key(
    p_kid text, p_public_key text, p_private_key bytea, p_lead interval, p_age interval
) returns boolean
language plpgsql as $$
declare
    v_now timestamptz;
    v_newest signing_key;
begin
    lock table signing_key in share row exclusive mode;
    v_now := clock_timestamp();
    select * into v_newest from signing_key order by signs_from desc limit 1;
    if v_newest.signs_from > v_now or v_newest.published_at + p_age > v_now then
        return false;
    end if;
    insert into signing_key values (
        p_kid, p_public_key, p_private_key, v_now,
        case when v_newest.kid is null then v_now else v_now + p_lead end
    );
    delete from signing_key old using signing_key newer
    where newer.signs_from > old.signs_from and newer.signs_from < v_now - interval '1 day';
    return true;
end $$;

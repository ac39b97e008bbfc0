-- Become, or stay, the one holder of a lease. Returns the epoch, or null when another holds it.
-- Each change of holder raises the epoch, by which later writes of the former holder are told apart.
-- A lease that runs for longer than any is given was given before the clock went back: it is nobody's.
create function claim_lease(p_name text, p_holder uuid, p_ttl interval) returns bigint language sql as $$
    insert into lease as l (name, holder, epoch, expires_at)
        values (p_name, p_holder, 1, clock_timestamp() + p_ttl)
    on conflict (name) do update
        set holder = p_holder,
            epoch = case when l.holder = p_holder then l.epoch else l.epoch + 1 end,
            expires_at = clock_timestamp() + p_ttl
        where l.holder = p_holder
           or l.expires_at not between clock_timestamp() and clock_timestamp() + p_ttl
    returning epoch
$$;

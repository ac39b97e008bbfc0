-- Take away at most so many expired answers, oldest first, without waiting for those that are in use.
create function forget_expired_answers(p_limit integer) returns bigint language sql as $$
    with old as (
        select client, key from idempotency
        where expires_at <= clock_timestamp()
        order by expires_at limit p_limit
        for update skip locked
    ), gone as (
        delete from idempotency i using old where i.client = old.client and i.key = old.key returning 1
    )
    select count(*) from gone
$$;

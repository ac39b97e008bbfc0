-- The nonces of signatures that were accepted, until their time is over. `keyid` names the partner too: partners choose
-- their key ids themselves.
create table used_nonce (
    keyid text not null,
    nonce text not null,
    expires_at timestamptz not null,
    primary key (keyid, nonce)
);
create index used_nonce_expires_at on used_nonce (expires_at);

-- Which of these nonces are used here for the first time, in the order given. Of several calls at once with the same
-- nonce one is told so, the others wait for its commit; all take their rows in the same order.
create function use_nonces(p_keyids text[], p_nonces text[], p_expires_at timestamptz[])
returns table (fresh boolean) language sql as $$
    with asked as (
        select keyid, nonce, expires_at, n
        from unnest(p_keyids, p_nonces, p_expires_at) with ordinality as a (keyid, nonce, expires_at, n)
    ), used as (
        insert into used_nonce (keyid, nonce, expires_at)
        select distinct on (keyid, nonce) keyid, nonce, expires_at from asked order by keyid, nonce, n
        on conflict do nothing
        returning keyid, nonce
    )
    select u.keyid is not null and a.n = min(a.n) over (partition by a.keyid, a.nonce)
    from asked a left join used u on u.keyid = a.keyid and u.nonce = a.nonce
    order by a.n
$$;

create function forget_used_nonces(p_margin interval, p_limit integer) returns bigint language sql as $$
    with gone as (
        delete from used_nonce where (keyid, nonce) in (
            select keyid, nonce from used_nonce
            where expires_at < clock_timestamp() - p_margin
            order by expires_at limit p_limit for update skip locked
        ) returning 1
    )
    select count(*) from gone
$$;

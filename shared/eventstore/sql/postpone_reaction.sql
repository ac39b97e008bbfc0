-- Try an event again later: after 0.2 seconds, then twice as long each time, up to a minute. Returns the seconds.
create function postpone_reaction(p_id bigint) returns double precision language sql as $$
    update reaction r set pause = p.next, not_before = clock_timestamp() + p.next
        from (select least(coalesce(w.pause * 2, interval '0.2 seconds'), interval '1 minute') as next
              from reaction w where w.id = p_id) p
        where r.id = p_id
        returning extract(epoch from r.pause)
$$;

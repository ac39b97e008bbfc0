-- Whether an event still waits for its reactions (`waiting`), behind a parked one of its stream (`behind`), or not at
-- all (null).
create function reaction_state(p_id bigint) returns text language sql stable as $$
    select case when exists (
               select from parked p
               where p.consumer = 'reaction' and p.stream = r.stream and p.dropped_at is null
           ) then 'behind' else 'waiting' end
    from reaction r where r.id = p_id
$$;

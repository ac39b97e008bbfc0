-- Plans are cached when tables may still be empty, so the settings below keep them on the primary keys.
-- The committed events that wait for a position, oldest first. Called only by the holder of the sequencer's lease.
create function take_unsequenced(p_limit integer)
returns table (
    seq bigint, id uuid, stream text, version integer, type text, recorded_at timestamptz,
    occurred_at timestamptz, actor_client text, actor_user text, actor_on_behalf_of text, causation_id uuid,
    correlation_id uuid, traceparent text, payload bytea
) language sql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
    select u.seq, e.id, e.stream, e.version, e.type, e.recorded_at, e.occurred_at, e.actor_client,
           e.actor_user, e.actor_on_behalf_of, e.causation_id, e.correlation_id, e.traceparent, e.payload
    from unsequenced u join event e on e.stream = u.stream and e.version = u.version
    order by u.seq
    limit p_limit
$$;

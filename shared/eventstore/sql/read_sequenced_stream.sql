-- Plans are cached when tables may still be empty, so the settings below keep them on the primary keys.
-- All sequenced records of one stream, in order of version.
create function read_sequenced_stream(p_stream text)
returns table (
    "position" bigint, leaf_hash bytea, id uuid, stream text, version integer, type text, recorded_at timestamptz,
    occurred_at timestamptz, actor_client text, actor_user text, actor_on_behalf_of text, causation_id uuid,
    correlation_id uuid, traceparent text, payload bytea
) language sql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
    select l.position, l.leaf_hash, e.id, e.stream, e.version, e.type, e.recorded_at, e.occurred_at, e.actor_client,
           e.actor_user, e.actor_on_behalf_of, e.causation_id, e.correlation_id, e.traceparent, e.payload
    from log l join event e on e.stream = l.stream and e.version = l.version
    where l.stream = p_stream
    order by l.version
$$;

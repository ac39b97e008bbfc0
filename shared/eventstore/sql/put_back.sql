-- Put records that were written after a backup back where they stood, behind position `p_head`: events, versions of
-- their streams, positions and leaves, and the subtrees that they complete. Events that the backup had without a
-- position get theirs. Raises HC005 when the log does not end at `p_head`.
create function put_back(
    p_head bigint, p_stream text[], p_version int[], p_id uuid[], p_type text[], p_recorded timestamptz[],
    p_occurred timestamptz[], p_client text[], p_user text[], p_behalf text[], p_causation uuid[], p_correlation uuid[],
    p_trace text[], p_payload bytea[], p_leaves bytea[], p_peaks bytea[], p_heights smallint[], p_numbers bigint[],
    p_hashes bytea[]
) returns bigint language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
    update log_head set position = p_head + array_length(p_id, 1), peaks = p_peaks where position = p_head;
    if not found then
        raise exception 'put back: the log does not end at %', p_head using errcode = 'HC005';
    end if;
    insert into stream as s (id, version)
        select u.stream, max(u.version) from unnest(p_stream, p_version) as u (stream, version)
        group by u.stream order by u.stream
        on conflict (id) do update set version = greatest(s.version, excluded.version);
    insert into event (stream, version, id, type, recorded_at, occurred_at, actor_client, actor_user,
                       actor_on_behalf_of, causation_id, correlation_id, traceparent, payload)
        select u.stream, u.version, u.id, u.type, u.recorded, u.occurred, u.client, u.person, u.behalf, u.causation,
               u.correlation, u.trace, u.payload
        from unnest(p_stream, p_version, p_id, p_type, p_recorded, p_occurred, p_client, p_user, p_behalf, p_causation,
                    p_correlation, p_trace, p_payload)
            as u (stream, version, id, type, recorded, occurred, client, person, behalf, causation, correlation, trace,
                  payload)
        on conflict (stream, version) do nothing;
    insert into log (position, stream, version, leaf_hash)
        select p_head + u.n, u.stream, u.version, u.leaf
        from unnest(p_stream, p_version, p_leaves) with ordinality as u (stream, version, leaf, n);
    insert into log_subtree (height, number, hash)
        select u.height, u.number, u.hash from unnest(p_heights, p_numbers, p_hashes) as u (height, number, hash);
    delete from unsequenced s using unnest(p_stream, p_version) as u (stream, version)
        where s.stream = u.stream and s.version = u.version;
    return p_head + array_length(p_id, 1);
end
$$;

-- Plans are cached when tables may still be empty, so the settings below keep them on the primary keys.
-- Give a batch its positions, and keep the subtrees (height, number, hash) that it completes.
-- Raises HC004 when the caller's epoch is not the lease's, HC005 when the head moved.
create function write_log(
    p_epoch bigint, p_head bigint, p_seqs bigint[], p_streams text[], p_versions integer[], p_leaves bytea[],
    p_peaks bytea[], p_heights smallint[], p_numbers bigint[], p_hashes bytea[]
) returns bigint language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
    perform 1 from lease where name = 'sequencer' and epoch = p_epoch for share;
    if not found then
        raise exception 'sequencer: epoch % is over', p_epoch using errcode = 'HC004';
    end if;
    update log_head set position = p_head + array_length(p_seqs, 1), peaks = p_peaks where position = p_head;
    if not found then
        raise exception 'sequencer: the head is not at %', p_head using errcode = 'HC005';
    end if;
    insert into log (position, stream, version, leaf_hash)
        select p_head + u.n, u.stream, u.version, u.leaf
        from unnest(p_streams, p_versions, p_leaves) with ordinality as u (stream, version, leaf, n);
    insert into log_subtree (height, number, hash)
        select u.height, u.number, u.hash from unnest(p_heights, p_numbers, p_hashes) as u (height, number, hash);
    delete from unsequenced where seq = any (p_seqs);
    perform pg_notify('sequenced', (p_head + array_length(p_seqs, 1))::text);
    return p_head + array_length(p_seqs, 1);
end
$$;

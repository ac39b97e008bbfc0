-- Plans are cached when tables may still be empty, so the settings below keep them on the primary keys.
-- Hashes of the log's Merkle tree, as runs of neighbours: height 0 are the leaves, number n that of position n + 1.
create function read_nodes(p_heights smallint[], p_firsts bigint[], p_lasts bigint[])
returns table (height smallint, number bigint, hash bytea) language sql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
    select r.height, l.position - 1, l.leaf_hash
    from unnest(p_heights, p_firsts, p_lasts) as r (height, first, last)
    join log l on l.position between r.first + 1 and r.last + 1
    where r.height = 0
    union all
    select s.height, s.number, s.hash
    from unnest(p_heights, p_firsts, p_lasts) as r (height, first, last)
    join log_subtree s on s.height = r.height and s.number between r.first and r.last
$$;

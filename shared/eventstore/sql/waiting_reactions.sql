-- The oldest events that wait for their reactions, without those of streams that wait for an answer from elsewhere.
-- One that would wait for longer than its pause was postponed before the clock went back: it has waited.
create function waiting_reactions(p_limit integer)
returns table (id bigint, source text, stream text, "position" bigint, record bytea) language sql stable as $$
    select r.id, r.source, r.stream, r.position, r.record
    from reaction r
    where r.stream not in (
        select w.stream from reaction w
        where w.not_before > clock_timestamp() and w.not_before <= clock_timestamp() + w.pause
    )
    order by r.id
    limit p_limit
$$;

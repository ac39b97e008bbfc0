-- Raise a consumer's watermark over the positions that have become contiguous, and forget those.
create function raise_watermark(p_consumer text, p_log_id uuid) returns bigint language plpgsql as $$
declare
    v_watermark bigint;
begin
    select watermark into v_watermark from applied where consumer = p_consumer and log_id = p_log_id;
    select coalesce(max(w.position), v_watermark) into v_watermark
        from (
            select a.position, row_number() over (order by a.position) as n
            from applied_above a where a.consumer = p_consumer and a.log_id = p_log_id
        ) w
        where w.position = v_watermark + w.n;
    update applied set watermark = v_watermark
        where consumer = p_consumer and log_id = p_log_id and watermark < v_watermark;
    delete from applied_above
        where consumer = p_consumer and log_id = p_log_id and position <= v_watermark;
    return v_watermark;
end
$$;

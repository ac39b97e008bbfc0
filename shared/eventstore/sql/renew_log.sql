-- Give the log a new id: this database came out of a backup. Whoever knew the log under its former id refuses this one,
-- and the service answers nothing, until `huchuang reconcile`. Called by `huchuang restore`; by hand after a recovery by
-- other means.
create function renew_log() returns uuid language plpgsql as $$
declare
    v_log_id uuid := gen_random_uuid();
begin
    update log_identity
        set log_id = v_log_id, former = coalesce(former, log_id),
            restored_position = coalesce(restored_position, (select position from log_head));
    return v_log_id;
end
$$;

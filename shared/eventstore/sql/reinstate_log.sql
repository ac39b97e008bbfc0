-- Give the log its former id back: it is as long again as everybody knows it. False when it has no other id.
create function reinstate_log() returns boolean language plpgsql as $$
begin
    update log_identity set log_id = former, former = null, restored_position = null where former is not null;
    return found;
end
$$;

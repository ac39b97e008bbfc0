-- Destroy a subject's key, or note that there will never be one. Returns whether there was one.
create function erase_subject(p_subject text) returns boolean language plpgsql as $$
declare
    v_had boolean;
begin
    insert into subject_key (subject, destroyed_at) values (p_subject, clock_timestamp())
        on conflict (subject) do nothing;
    select wrapped is not null into v_had from subject_key where subject = p_subject for update;
    update subject_key set wrapped = null, destroyed_at = clock_timestamp()
        where subject = p_subject and wrapped is not null;
    return v_had;
end
$$;

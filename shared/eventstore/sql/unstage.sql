-- Take away what was staged for some streams, before they are staged again.
create function unstage(p_streams text[]) returns void language plpgsql as $$
begin
    delete from staged_held where stream = any (p_streams);
    delete from staged_place where stream = any (p_streams);
    delete from staged_use where stream = any (p_streams);
    delete from staged_bound where stream = any (p_streams);
    delete from staged_row where stream = any (p_streams);
end
$$;

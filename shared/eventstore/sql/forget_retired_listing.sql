-- Take away at most so many rows of retired builds of the lists; their checkpoints go with the last of them.
create function forget_retired_listing(p_limit integer) returns bigint language plpgsql as $$
declare
    v_gone bigint;
begin
    with old as (
        select l.build, l.kind, l.id from projection_build b
        join listing l on l.build = b.build
        where b.name = 'listing' and b.state = 'retired'
        limit p_limit
    ), gone as (
        delete from listing l using old
        where l.build = old.build and l.kind = old.kind and l.id = old.id returning 1
    )
    select count(*) into v_gone from gone;
    if v_gone = 0 then
        delete from checkpoint c using projection_build b
            where b.name = 'listing' and b.state = 'retired' and c.reader = 'projection:listing:' || b.build;
    end if;
    return v_gone;
end
$$;

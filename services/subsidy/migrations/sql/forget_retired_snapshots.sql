-- Take away at most so many rows of retired builds of the snapshots; their checkpoints go with the last of them.
create function forget_retired_snapshots(p_limit integer) returns bigint language plpgsql as $$
declare
    v_gone bigint;
begin
    with old as (
        select s.build, s.id from projection_build b
        join claim_snapshot s on s.build = b.build
        where b.name = 'snapshots' and b.state = 'retired'
        limit p_limit
    ), gone as (
        delete from claim_snapshot s using old where s.build = old.build and s.id = old.id returning 1
    )
    select count(*) into v_gone from gone;
    if v_gone = 0 then
        delete from checkpoint c using projection_build b
            where b.name = 'snapshots' and b.state = 'retired' and c.reader = 'projection:snapshots:' || b.build;
    end if;
    return v_gone;
end
$$;

-- Take away at most so many rows of retired builds of what is owed; targets and checkpoints go with the last of them.
create function forget_retired_webhooks(p_limit integer) returns bigint language plpgsql as $$
declare
    v_gone bigint;
begin
    with old as (
        select o.build, o.endpoint, o.message from projection_build b
        join webhook_owed o on o.build = b.build
        where b.name = 'webhooks' and b.state = 'retired'
        limit p_limit
    ), gone as (
        delete from webhook_owed o using old
        where o.build = old.build and o.endpoint = old.endpoint and o.message = old.message returning 1
    )
    select count(*) into v_gone from gone;
    if v_gone = 0 then
        delete from webhook_target t using projection_build b
            where b.name = 'webhooks' and b.state = 'retired' and t.build = b.build;
        delete from checkpoint c using projection_build b
            where b.name = 'webhooks' and b.state = 'retired' and c.reader = 'projection:webhooks:' || b.build;
    end if;
    return v_gone;
end
$$;

-- A bank's whitelist as it was at one moment of a business day, never changed: at most one per bank and day.
create table whitelist_snapshot (
    id text primary key,
    bank text not null,
    taken_on date not null,
    head bytea not null,
    content bytea not null,
    unique (bank, taken_on)
);
-- Read whole or not at all.
alter table whitelist_snapshot alter column content set storage external;

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'a snapshot is never changed';
end
$$;
create trigger whitelist_snapshot_immutable before update on whitelist_snapshot
    for each row execute function refuse_change();

-- What a bank's checks say yes to on a day, in order of person and organisation, and a position of the log up to which
-- all events are contained: one statement, one view of the database.
create function whitelist_of_bank(p_bank text, p_on date)
returns table ("position" bigint, entries bigint, content bytea) language sql stable as $$
    with listed as (
        select split_part(r.key, '/', 2) as person_id, split_part(r.key, '/', 3) as organisation_id,
               convert_from(r.value, 'UTF8')::jsonb as value
        from inline_row r
        where r.view = 'whitelist' and starts_with(r.key, p_bank || '/')
    ), current as (
        select json_build_object(
                   'entry_id', value ->> 'entry_id', 'person_id', person_id, 'organisation_id', organisation_id,
                   'valid_until', value ->> 'valid_until'
               )::text as item, person_id, organisation_id
        from listed where (value ->> 'valid_until')::date >= p_on
    )
    select (select h.position from log_head h), count(*),
           convert_to('{"items":[' || coalesce(string_agg(item, ',' order by person_id, organisation_id), '') || ']}', 'UTF8')
    from current
$$;

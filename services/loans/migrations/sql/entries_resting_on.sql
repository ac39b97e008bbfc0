-- What rests on a person, organisation, consent or certificate (by its number): the values of the inline rows
-- `resting_on`, whose key is `<entry id>/<what it rests on>`. Current: the rows are written with the entries' events.
create index inline_row_resting_on on inline_row (substr(key, strpos(key, '/') + 1)) where view = 'resting_on';

create function entries_resting_on(p_ground text) returns table (value bytea) language sql stable
set enable_seqscan = off as $$
    select r.value from inline_row r
    where r.view = 'resting_on' and substr(r.key, strpos(r.key, '/') + 1) = p_ground
    order by r.key
$$;

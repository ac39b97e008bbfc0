-- Temporary tables for what the events say of limits and inline rows, by the stream that says it.
create function make_staging() returns void language sql as $$
    create temporary table staged_held (stream text, scope text, key text);
    create temporary table staged_place (stream text, scope text, key text, places integer);
    create temporary table staged_use (stream text, scope text, key text, amount numeric);
    create temporary table staged_bound (stream text, scope text, key text, bound numeric, place bigint);
    create temporary table staged_row (stream text, view text, key text, value bytea, place bigint);
    create index on staged_held (stream);
    create index on staged_place (stream);
    create index on staged_use (stream);
    create index on staged_bound (stream);
    create index on staged_row (stream);
    create index on staged_held (scope, key);
    create index on staged_place (scope, key);
$$;

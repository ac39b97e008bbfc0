-- Work that takes longer than a request may: asked for by one caller, carried out by one worker, told to whoever asks.
-- `input`, `result` and `problem` are JSON without personal data.
create table operation (
    id text primary key,
    kind text not null,
    status text not null default 'accepted' check (status in ('accepted', 'running', 'succeeded', 'failed')),
    client text not null,
    idempotency_key text,
    fingerprint bytea,
    input bytea not null,
    done bigint not null default 0,
    total bigint,
    result bytea,
    problem bytea,
    requested_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    unique (client, idempotency_key)
);
create index operation_unfinished on operation (requested_at) where status in ('accepted', 'running');

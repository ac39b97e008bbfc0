-- The event store of one service. Nothing in `event` or `log` is ever updated or deleted.

create table log_identity (
    only_row boolean primary key default true check (only_row),
    log_id uuid not null default gen_random_uuid()
);
insert into log_identity default values;

create table stream (
    id text primary key,
    version integer not null
) with (fillfactor = 80);

create table event (
    stream text not null,
    version integer not null check (version > 0),
    id uuid not null,
    type text not null,
    recorded_at timestamptz not null,
    occurred_at timestamptz not null,
    actor_client text not null,
    actor_user text,
    actor_on_behalf_of text,
    causation_id uuid,
    correlation_id uuid not null,
    traceparent text,
    payload bytea not null check (octet_length(payload) <= 262144),
    primary key (stream, version)
);

-- Rows wait here from the append until the sequencer has given them a position. Identity values within one stream
-- are in the order of its versions, because the stream's row is locked when they are drawn.
create table unsequenced (
    seq bigint generated always as identity primary key,
    stream text not null,
    version integer not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

create table log (
    position bigint primary key,
    stream text not null,
    version integer not null,
    leaf_hash bytea not null,
    unique (stream, version),
    foreign key (stream, version) references event
);

-- The size of the log and the peaks of its Merkle tree (RFC 9162), largest first.
create table log_head (
    only_row boolean primary key default true check (only_row),
    position bigint not null default 0,
    peaks bytea[] not null default '{}'
);
insert into log_head default values;

create table signed_head (
    tree_size bigint primary key,
    root bytea not null,
    signed_at timestamptz not null,
    head bytea not null
);

-- Limits. `holder` null: nobody holds it (a row made to be locked, or given back).
create table limit_unique (
    scope text not null,
    key text not null,
    holder text,
    primary key (scope, key)
) with (fillfactor = 90);

create table limit_bounded (
    scope text not null,
    key text not null,
    used numeric(18, 2) not null default 0,
    bound numeric(18, 2) not null default 0,
    primary key (scope, key),
    check (used >= 0)
) with (fillfactor = 70);

create table inline_row (
    view text not null,
    key text not null,
    value bytea not null,
    primary key (view, key)
) with (fillfactor = 90);

create table idempotency (
    client text not null,
    key text not null,
    fingerprint bytea,
    status smallint,
    answer bytea,
    expires_at timestamptz,
    primary key (client, key)
);
create index idempotency_expires_at on idempotency (expires_at);

-- Facts that other services told us, with where they came from.
create table fact (
    kind text not null,
    key text not null,
    value bytea not null,
    log_id uuid not null,
    position bigint not null,
    primary key (kind, key)
);

create table subject_key (
    subject text primary key,
    wrapped bytea,
    created_at timestamptz not null default clock_timestamp(),
    destroyed_at timestamptz
);

create table lease (
    name text primary key,
    holder uuid not null,
    epoch bigint not null,
    expires_at timestamptz not null
);

-- How far each reader of our own log has come; `incarnation` is the broker's, for the relay.
create table checkpoint (
    reader text primary key,
    position bigint not null default 0,
    incarnation text
);

-- What has been applied of other services' logs: everything up to the watermark, and single positions above it.
create table applied (
    consumer text not null,
    log_id uuid not null,
    source text not null,
    watermark bigint not null default 0,
    primary key (consumer, log_id)
);
create table applied_above (
    consumer text not null,
    log_id uuid not null,
    position bigint not null,
    primary key (consumer, log_id, position)
);

-- Where a consumer reads on: hints, valid for one incarnation of the broker.
create table consumer_offset (
    consumer text not null,
    topic text not null,
    partition integer not null,
    incarnation text not null,
    next_offset bigint not null,
    primary key (consumer, topic, partition)
);

-- Foreign events that a process still has to react to, written with the effect that noted them.
create table reaction (
    id bigint generated always as identity primary key,
    source text not null,
    stream text not null,
    position bigint not null,
    record bytea not null
);

create table parked (
    id bigint generated always as identity primary key,
    consumer text not null,
    source text not null,
    stream text not null,
    log_id uuid,
    position bigint,
    record bytea not null,
    reason text not null,
    parked_at timestamptz not null default clock_timestamp(),
    attempts integer not null default 1,
    dropped_at timestamptz,
    dropped_by text,
    dropped_reason text
);
create index parked_key on parked (consumer, stream) where dropped_at is null;

-- Timers only wake a decision; the decision compares its own dates with the clock.
create table timer (
    process text not null,
    key text not null,
    due_at timestamptz not null,
    payload bytea not null,
    primary key (process, key)
);
create index timer_due_at on timer (due_at);

-- Sandbox only: where the business clock stands. No row: it follows the wall clock.
create table business_clock (
    only_row boolean primary key default true check (only_row),
    stands_at timestamptz not null
);

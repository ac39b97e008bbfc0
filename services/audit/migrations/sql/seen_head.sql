-- Every signed head that the topic has brought, byte for byte, and when it came first. Rows are added and never changed:
-- a second head of the same size, with another root or another signature, stands beside the first.
create table seen_head (
    seq bigint generated always as identity unique,
    service text not null,
    tree_size bigint not null,
    log_id uuid not null,
    root bytea not null,
    signed_at timestamptz not null,
    head bytea not null,
    first_seen_at timestamptz not null default clock_timestamp(),
    primary key (service, log_id, tree_size, head)
);
create index seen_head_service on seen_head (service, seq);

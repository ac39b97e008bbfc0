-- Who wants to hear of messages, and what each is still owed; both follow from the log of this service alone.
-- `types` is empty for all; `succeeded_at` is of the last attempt that was delivered; what was noted before
-- `enabled_at` is due since then. Times are of this database's clock.
create table webhook_target (
    build integer not null,
    endpoint text not null,
    types text[] not null,
    enabled boolean not null default true,
    enabled_at timestamptz not null default '-infinity',
    succeeded_at timestamptz,
    primary key (build, endpoint)
);
-- `attempts` were made in all, `step` of them since the message was owed last. `last_at`: when it was owed or attempted
-- last. `due_at` null: it has been given up.
create table webhook_owed (
    build integer not null,
    endpoint text not null,
    message text not null,
    type text not null,
    attempts integer not null default 0,
    step integer not null default 0,
    since timestamptz not null,
    last_at timestamptz not null,
    due_at timestamptz,
    cause uuid not null,
    correlation uuid,
    primary key (build, endpoint, message)
) with (fillfactor = 80);
create index webhook_owed_due on webhook_owed (build, endpoint, due_at) where due_at is not null;
create index webhook_owed_last on webhook_owed (build, endpoint, last_at);
insert into projection_build (name, build, version, state) values ('webhooks', 1, 1, 'live');

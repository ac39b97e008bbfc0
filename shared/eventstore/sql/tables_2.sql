-- The builds of each projection. A new build is made beside the live one, from position 0, and takes its place when it
-- has caught up; `version` is that of the code that can write it.
create table projection_build (
    name text not null,
    build integer not null,
    version integer not null,
    state text not null check (state in ('building', 'live', 'retired')),
    requested_at timestamptz not null default clock_timestamp(),
    switched_at timestamptz,
    mended bigint,
    primary key (name, build)
);
create unique index projection_build_live on projection_build (name) where state = 'live';
create unique index projection_build_building on projection_build (name) where state = 'building';

alter table listing add column build integer not null default 1;
alter table listing drop constraint listing_pkey;
alter table listing add primary key (build, kind, id);
alter table listing alter column build drop default;
insert into projection_build (name, build, version, state) values ('listing', 1, 1, 'live');

-- An event whose reaction needs an answer that cannot be had now waits, twice as long each time.
alter table reaction add column pause interval;
alter table reaction add column not_before timestamptz;
create index reaction_not_before on reaction (not_before) where not_before is not null;

-- The answer under an idempotency key holds its own status, sealed.
alter table idempotency drop column status;
-- Sealed bytes do not shrink: nothing is tried.
alter table idempotency alter column answer set storage external;

-- The roots of completed perfect subtrees of the log's Merkle tree (RFC 9162), at every eighth height: a proof is made
-- from a few hundred of these and of `log.leaf_hash`, however long the log is. Subtree `number` of a height stands
-- over the leaves of positions (number << height) + 1 to (number + 1) << height. Written with the positions, never
-- changed.
create table log_subtree (
    height smallint not null check (height > 0 and height % 8 = 0),
    number bigint not null,
    hash bytea not null,
    primary key (height, number)
);

-- Claims as a simulation judges them: the facts of the latest judgement and what was decided, one row per claim.
-- `facts` is msgpack, null while no version has judged the claim; `amount` (CNY) is what was approved or paid.
create table claim_snapshot (
    build integer not null,
    id text not null,
    programme text not null,
    district text not null,
    month text not null,
    standing text not null,
    policy_version text,
    amount numeric(18, 2) not null,
    payee_matches boolean,
    facts bytea,
    primary key (build, id)
) with (fillfactor = 80);
insert into projection_build (name, build, version, state) values ('snapshots', 1, 1, 'live');

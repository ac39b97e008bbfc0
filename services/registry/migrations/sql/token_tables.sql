-- The keys that sign access tokens. A key is published from `published_at`, signs from `signs_from` until the next one
-- does, and stays published until what it signed last has expired. `private_key` is sealed under the master key.
create table signing_key (
    kid text primary key,
    public_key text not null,
    private_key bytea not null,
    published_at timestamptz not null default clock_timestamp(),
    signs_from timestamptz not null
);

-- Assertions that have bought a token, until they expire: each is good for one.
create table used_assertion (
    client text not null,
    jti text not null,
    expires_at timestamptz not null,
    primary key (client, jti)
);
create index used_assertion_expires_at on used_assertion (expires_at);

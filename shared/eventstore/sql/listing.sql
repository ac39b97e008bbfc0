-- The read model behind every list, one row per stream: facets to filter by, such as `status:paid`, and what is shown.
create table listing (
    kind text not null,
    id text not null,
    facets text[] not null,
    body bytea not null,
    version bigint not null,
    primary key (kind, id)
);
create index listing_facets on listing using gin (facets);

-- Fill an empty store with claims numbered `p_from` to `p_to` that all had the same past: the ten events of the table
-- `past`, with the id of the claim, of its person and of its certificate in them, and all that hangs on them: their
-- places in the log, limits, the subject's key, facts. Answers are kept for the last `p_answers` claims.
-- Ids are as old as their number says, so that they arrive in the order in which they would have arrived. The head of
-- the log stays where it was: such a store is appended to and read, not sequenced.
create function fill(p_from int, p_to int, p_last int, p_answers int) returns void language plpgsql as $$
declare
    v_events int := (select count(*) from past);
    v_model past := (select p from past p where version = 1);
begin
    create temporary table claim on commit drop as
        select n, 'clm_' || u.id as id, 'per_' || u.id as person, 'SH2024-B-' || substr(md5(n::text), 1, 16) as certificate
        from generate_series(p_from, p_to) as n,
             lateral (select uuidv7(make_interval(secs => n - p_last - 3600))::text as id) u;

    insert into stream (id, version) select id, v_events from claim order by id;
    insert into event (stream, version, id, type, recorded_at, occurred_at, actor_client, actor_user,
                       actor_on_behalf_of, causation_id, correlation_id, traceparent, payload)
        select c.id, p.version, gen_random_uuid(), p.type, now(), now(), 'app', null, c.person, null,
               gen_random_uuid(), null,
               case when p.version = 1
                   then convert_to(replace(replace(replace(convert_from(p.payload, 'utf8'),
                       p.claim, c.id), p.person, c.person), p.certificate, c.certificate), 'utf8')
                   else p.payload end
        from claim c cross join past p
        order by c.id, p.version;
    insert into log (position, stream, version, leaf_hash)
        select (c.n - 1)::bigint * v_events + p.version, c.id, p.version, sha256(convert_to(c.id || p.version, 'utf8'))
        from claim c cross join past p
        order by 1;
    insert into limit_unique (scope, key, holder)
        select 'claim/certificate', certificate, id from claim order by 2;
    insert into limit_unique (scope, key, holder)
        select 'claim/person-project', person || '/' || 'prj_' || substr(id, 5), id from claim order by 2;
    insert into limit_unique (scope, key, holder)
        select 'claim/person', person || '/1', id from claim order by 2;
    insert into subject_key (subject, wrapped)
        select person, sha256(convert_to(person, 'utf8')) || '\x0123456789abcdef01234567' from claim order by 1;
    insert into fact (kind, key, value, log_id, position)
        select 'PersonFact', person, convert_to(json_build_object('person_id', person)::text, 'utf8'),
               gen_random_uuid(), n
        from claim order by 2;
    insert into fact (kind, key, value, log_id, position)
        select 'CertificateFact', certificate, convert_to(json_build_object(
                   'certificate_id', 'crt_' || substr(id, 5), 'number', certificate, 'kind', 'qualification',
                   'stage', 'start_up', 'person_id', person, 'project_id', 'prj_' || substr(id, 5),
                   'institution_id', 'ins_' || substr(id, 5), 'district', '310115', 'issued_on', '2025-02-03'
               )::text, 'utf8'), gen_random_uuid(), n
        from claim order by 2;
    insert into idempotency (client, key, fingerprint, answer, expires_at)
        select 'app', gen_random_uuid(), decode(md5(id), 'hex'), convert_to(repeat(md5(id), 64), 'utf8'),
               now() + interval '48 hours'
        from claim where n > p_last - p_answers;
    drop table claim;
end
$$;

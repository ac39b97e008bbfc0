-- Plans are cached when tables may still be empty, so the settings below keep them on the primary keys.
-- Carry out a batch of commands in one transaction, each in its own subtransaction with its own result.
-- Arrays are flat; each command names its slices by the index of the last element (`*_to`, cumulative).
-- Results: ok | version (HC001) | limit (HC002) | subject (HC003: another writer made the subject's key)
--        | repeated (the idempotency key already has an answer) | failed (anything else, with the database's message)
create function append(
    p_clients text[], p_users text[], p_behalves text[], p_causations uuid[], p_correlations uuid[], p_traces text[],
    p_idempotency_keys text[], p_fingerprints bytea[], p_statuses smallint[], p_answers bytea[],
    p_streams_to int[], p_events_to int[], p_limits_to int[], p_rows_to int[], p_subjects_to int[],
    s_stream text[], s_expected int[], s_version int[],
    e_stream text[], e_version int[], e_id uuid[], e_type text[], e_occurred timestamptz[], e_payload bytea[],
    l_op text[], l_scope text[], l_key text[], l_holder text[], l_places int[], l_amount numeric[],
    r_view text[], r_key text[], r_value bytea[],
    k_subject text[], k_wrapped bytea[],
    p_answer_ttl interval
) returns table (outcome text, detail text, recorded_at timestamptz, status smallint, fingerprint bytea, answer bytea)
language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    v_now timestamptz := clock_timestamp();
    v_count int := array_length(p_clients, 1);
    v_unique_scopes text[]; v_unique_keys text[]; v_bounded_scopes text[]; v_bounded_keys text[];
    v_keyed_clients text[]; v_keyed_keys text[];
    v_repeated boolean; v_untidy boolean; v_detail text;
    s_from int := 1; e_from int := 1; l_from int := 1; r_from int := 1; k_from int := 1;
    s_to int; e_to int; l_to int; r_to int; k_to int;
begin
    select coalesce(array_agg(w.scope), '{}'), coalesce(array_agg(w.key), '{}')
        into v_unique_scopes, v_unique_keys
        from (
            select u.scope, u.key from unnest(l_op, l_scope, l_key) as u (op, scope, key)
                where u.op in ('take', 'release')
            union all
            select u.scope, u.key || '/' || g.place from unnest(l_op, l_scope, l_key, l_places) as u (op, scope, key, places)
                cross join lateral generate_series(1, u.places) as g (place)
                where u.op in ('take_place', 'release_place')
        ) w;
    select coalesce(array_agg(u.scope), '{}'), coalesce(array_agg(u.key), '{}')
        into v_bounded_scopes, v_bounded_keys
        from unnest(l_op, l_scope, l_key) as u (op, scope, key) where u.op in ('set_bound', 'use');
    select coalesce(array_agg(u.client), '{}'), coalesce(array_agg(u.key), '{}')
        into v_keyed_clients, v_keyed_keys
        from unnest(p_clients, p_idempotency_keys) as u (client, key) where u.key is not null;
    perform lock_batch(s_stream, v_unique_scopes, v_unique_keys, v_bounded_scopes, v_bounded_keys,
                       v_keyed_clients, v_keyed_keys);

    insert into subject_key (subject, wrapped)
        select distinct on (u.subject) u.subject, u.wrapped from unnest(k_subject, k_wrapped) as u (subject, wrapped)
        order by u.subject
        on conflict do nothing;
    v_untidy := 'release' = any (l_op);

    for i in 1 .. v_count loop
        s_to := p_streams_to[i]; e_to := p_events_to[i]; l_to := p_limits_to[i]; r_to := p_rows_to[i];
        k_to := p_subjects_to[i];
        outcome := 'ok'; detail := null; recorded_at := v_now; status := null; fingerprint := null; answer := null;
        begin
            v_repeated := false;
            if p_idempotency_keys[i] is not null then
                select d.status, d.fingerprint, d.answer into status, fingerprint, answer
                    from idempotency d
                    where d.client = p_clients[i] and d.key = p_idempotency_keys[i] and d.answer is not null
                      and d.expires_at > v_now;
                v_repeated := found;
            end if;
            if v_repeated then
                outcome := 'repeated';
            else
                for j in s_from .. s_to loop
                    update stream set version = s_version[j] where id = s_stream[j] and version = s_expected[j];
                    if not found then
                        raise exception 'version' using errcode = 'HC001', detail = s_stream[j];
                    end if;
                end loop;
                for j in k_from .. k_to loop
                    perform 1 from subject_key k where k.subject = k_subject[j] and k.wrapped = k_wrapped[j];
                    if not found then
                        raise exception 'subject' using errcode = 'HC003', detail = k_subject[j];
                    end if;
                end loop;
                for j in l_from .. l_to loop
                    perform change_limit(l_op[j], l_scope[j], l_key[j], l_holder[j], l_places[j], l_amount[j]);
                end loop;
                insert into event (stream, version, id, type, recorded_at, occurred_at, actor_client, actor_user,
                                   actor_on_behalf_of, causation_id, correlation_id, traceparent, payload)
                    select u.stream, u.version, u.id, u.type, v_now, u.occurred, p_clients[i], p_users[i],
                           p_behalves[i], p_causations[i], p_correlations[i], p_traces[i], u.payload
                    from unnest(e_stream[e_from:e_to], e_version[e_from:e_to], e_id[e_from:e_to], e_type[e_from:e_to],
                                e_occurred[e_from:e_to], e_payload[e_from:e_to])
                        as u (stream, version, id, type, occurred, payload);
                insert into unsequenced (stream, version)
                    select u.stream, u.version
                    from unnest(e_stream[e_from:e_to], e_version[e_from:e_to]) with ordinality as u (stream, version, n)
                    order by u.n;
                for j in r_from .. r_to loop
                    if r_value[j] is null then
                        delete from inline_row r where r.view = r_view[j] and r.key = r_key[j];
                    else
                        insert into inline_row (view, key, value) values (r_view[j], r_key[j], r_value[j])
                            on conflict (view, key) do update set value = excluded.value;
                    end if;
                end loop;
                if p_idempotency_keys[i] is not null then
                    update idempotency d
                        set fingerprint = p_fingerprints[i], status = p_statuses[i], answer = p_answers[i],
                            expires_at = v_now + p_answer_ttl
                        where d.client = p_clients[i] and d.key = p_idempotency_keys[i];
                end if;
            end if;
        exception
            when sqlstate 'HC001' then
                get stacked diagnostics v_detail = pg_exception_detail;
                outcome := 'version'; detail := v_detail;
            when sqlstate 'HC002' then
                get stacked diagnostics v_detail = pg_exception_detail;
                outcome := 'limit'; detail := v_detail;
            when sqlstate 'HC003' then
                get stacked diagnostics v_detail = pg_exception_detail;
                outcome := 'subject'; detail := v_detail;
            when integrity_constraint_violation or data_exception then
                outcome := 'failed'; detail := sqlerrm;
        end;
        v_untidy := v_untidy or outcome <> 'ok';
        return next;
        s_from := s_to + 1; e_from := e_to + 1; l_from := l_to + 1; r_from := r_to + 1; k_from := k_to + 1;
    end loop;

    if v_untidy then
        perform drop_placeholders(s_stream, v_unique_scopes, v_unique_keys, v_keyed_clients, v_keyed_keys);
    end if;
end
$$;

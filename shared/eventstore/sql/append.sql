-- Carry out a batch of commands in one transaction, each with its own result.
-- `p_owner` is whose an idempotency key is: not the client alone, where people share one.
-- Arrays are flat; the first of each kind names the command (1 to n) that an element belongs to.
-- What no command of the batch contends for is written set by set; a command that loses a stream, a limit or a bound
-- writes nothing, and what was put in for it beforehand is taken away again.
-- Results: ok | version | limit | subject (another writer made the subject's key) | repeated (with the stored answer)
create function append(
    p_client text[], p_user text[], p_behalf text[], p_causation uuid[], p_correlation uuid[], p_trace text[],
    p_owner text[], p_key text[], p_fingerprint bytea[], p_answer bytea[], p_keep interval[],
    s_command int[], s_stream text[], s_expected int[], s_version int[],
    e_command int[], e_stream text[], e_version int[], e_id uuid[], e_type text[], e_occurred timestamptz[],
    e_payload bytea[],
    l_command int[], l_op text[], l_scope text[], l_key text[], l_holder text[],
    b_command int[], b_op text[], b_scope text[], b_key text[], b_amount numeric[],
    r_command int[], r_view text[], r_key text[], r_value bytea[],
    k_command int[], k_subject text[], k_wrapped bytea[]
) returns table (outcome text, detail text, fingerprint bytea, answer bytea)
language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    v_now timestamptz := clock_timestamp();
    v_count int := array_length(p_client, 1);
    v_outcome text[] := array_fill('ok'::text, array[array_length(p_client, 1)]);
    v_detail text[] := array_fill(null::text, array[array_length(p_client, 1)]);
    v_fingerprint bytea[]; v_stored bytea[];
    v_kept int[];
    v_moving boolean := false;  -- limits whose row was there before are given or taken
    v_lost record;
    v_text text;
begin
    for v_lost in select * from take_streams(s_command, s_stream, s_expected, s_version) loop
        v_outcome[v_lost.command] := 'version';
        v_detail[v_lost.command] := v_lost.lost;
    end loop;
    if l_op <> '{}' then
        for v_lost in select * from take_limits(l_command, l_op, l_scope, l_key, l_holder) loop
            v_moving := true;
            if v_lost.lost then
                v_outcome[v_lost.command] := 'limit';
                v_detail[v_lost.command] := json_build_object(
                    'scope', v_lost.scope, 'key', v_lost.key, 'holder', v_lost.holder)::text;
            end if;
        end loop;
    end if;
    if b_op <> '{}' then
        insert into limit_bounded (scope, key)
            select distinct u.scope, u.key from unnest(b_op, b_scope, b_key) as u (op, scope, key)
            where u.op = 'set_bound' order by u.scope, u.key
            on conflict do nothing;
        perform 1 from limit_bounded b
            join (select distinct u.scope, u.key from unnest(b_scope, b_key) as u (scope, key)) w
              on b.scope = w.scope and b.key = w.key
            order by b.scope, b.key for update of b;
    end if;
    for v_lost in
        select * from take_keys(p_owner, p_key, p_fingerprint, p_answer, v_now, p_keep)
    loop
        v_outcome[v_lost.command] := case when v_lost.answer is null then 'version' else 'repeated' end;
        v_fingerprint[v_lost.command] := v_lost.fingerprint;
        v_stored[v_lost.command] := v_lost.answer;
    end loop;
    if k_subject <> '{}' then
        insert into subject_key (subject, wrapped)
            select distinct on (u.subject) u.subject, u.wrapped
            from unnest(k_subject, k_wrapped, k_command) as u (subject, wrapped, command)
            order by u.subject, u.command
            on conflict do nothing;
        for v_lost in
            select u.command, u.subject
            from unnest(k_command, k_subject, k_wrapped) as u (command, subject, wrapped)
            join subject_key k on k.subject = u.subject
            where k.wrapped is distinct from u.wrapped
        loop
            v_outcome[v_lost.command] := 'subject';
            v_detail[v_lost.command] := v_lost.subject;
        end loop;
    end if;
    for i in 1 .. case when b_op = '{}' then 0 else v_count end loop
        if v_outcome[i] = 'ok' and i = any (b_command) then
            begin
                perform use_bounds(array_agg(u.op order by u.n), array_agg(u.scope order by u.n),
                                   array_agg(u.key order by u.n), array_agg(u.amount order by u.n))
                    from unnest(b_command, b_op, b_scope, b_key, b_amount) with ordinality
                        as u (command, op, scope, key, amount, n)
                    where u.command = i;
            exception when sqlstate 'HC002' then
                get stacked diagnostics v_text = pg_exception_detail;
                v_outcome[i] := 'limit';
                v_detail[i] := v_text;
            end;
        end if;
    end loop;

    select coalesce(array_agg(g.i), '{}') into v_kept
        from generate_series(1, v_count) as g (i) where v_outcome[g.i] = 'ok';
    if array_length(v_kept, 1) is distinct from v_count then
        perform undo_taken(v_outcome, p_owner, p_key, s_command, s_stream,
                           l_command, l_op, l_scope, l_key, l_holder, k_command, k_subject, k_wrapped);
    end if;

    if exists (select from unnest(s_expected) as u (expected) where u.expected > 0) then
        update stream s set version = u.version
            from unnest(s_command, s_stream, s_expected, s_version) as u (command, stream, expected, version)
            where s.id = u.stream and u.expected > 0 and u.command = any (v_kept);
    end if;
    if v_moving or 'release' = any (l_op) then
        update limit_unique l set holder = null
            from unnest(l_command, l_op, l_scope, l_key, l_holder) as u (command, op, scope, key, holder)
            where u.op = 'release' and l.scope = u.scope and l.key = u.key and l.holder = u.holder
              and u.command = any (v_kept);
        update limit_unique l set holder = u.holder
            from unnest(l_command, l_op, l_scope, l_key, l_holder) as u (command, op, scope, key, holder)
            where u.op = 'take' and l.scope = u.scope and l.key = u.key and l.holder is null
              and u.command = any (v_kept);
    end if;
    insert into event (stream, version, id, type, recorded_at, occurred_at, actor_client, actor_user,
                       actor_on_behalf_of, causation_id, correlation_id, traceparent, payload)
        select u.stream, u.version, u.id, u.type, v_now, u.occurred, p_client[u.command], p_user[u.command],
               p_behalf[u.command], p_causation[u.command], p_correlation[u.command], p_trace[u.command], u.payload
        from unnest(e_command, e_stream, e_version, e_id, e_type, e_occurred, e_payload)
            as u (command, stream, version, id, type, occurred, payload)
        where u.command = any (v_kept);
    insert into unsequenced (stream, version)
        select u.stream, u.version
        from unnest(e_command, e_stream, e_version) with ordinality as u (command, stream, version, n)
        where u.command = any (v_kept)
        order by u.n;
    if r_view <> '{}' then
        perform write_rows(r_command, r_view, r_key, r_value, v_kept);
    end if;

    return query
        select v_outcome[g.i], v_detail[g.i], v_fingerprint[g.i], v_stored[g.i]
        from generate_series(1, v_count) as g (i);
end
$$;

-- Make the live inline rows what is staged, where they differ. Returns how many did.
create function mend_rows() returns bigint language plpgsql as $$
declare
    v_count bigint;
begin
    create temporary table differing on commit drop as select d.view, d.key from differing_rows() d;
    select count(*) into v_count from differing;
    delete from inline_row r using differing d where r.view = d.view and r.key = d.key;
    insert into inline_row (view, key, value)
        select said.view, said.key, said.value
        from (select distinct on (s.view, s.key) s.view, s.key, s.value from staged_row s
              order by s.view, s.key, s.place desc) said
        join differing d on d.view = said.view and d.key = said.key
        where said.value is not null;
    return v_count;
end
$$;

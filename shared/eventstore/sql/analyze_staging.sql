-- Let the planner see what was staged.
create function analyze_staging() returns void language plpgsql as $$
begin
    analyze staged_held;
    analyze staged_place;
    analyze staged_use;
    analyze staged_bound;
    analyze staged_row;
end
$$;

-- 0018 has an index of a user's messages by time. Beside it a planner that takes users for small would go through all of a
-- user's messages for each word: the user is compared in a form that no index has. And one plan serves every question, since
-- planning one anew is a quarter of a small search.
do $$
declare
  recall constant regprocedure := 'grizz.recall(uuid, text, uuid, integer, timestamptz, text, integer)';
  definition constant text := pg_get_functiondef(recall);
  changed constant text := replace(
    definition, 'array[w.term] and t.user_id = p_user', 'array[w.term] and (t.user_id = p_user) is true'
  );
begin
  if changed = definition then
    raise 'grizz.recall is not the one of 0020';
  end if;
  execute changed;
  execute format('alter function %s set plan_cache_mode = force_generic_plan', recall);
end
$$;

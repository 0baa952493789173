-- What was said while the memory was paused stays apart for good, what was said before waits for the end of the pause; facts
-- that are said again gain sources; and row-level security for the engine's own tables.

-- The times in which users had paused. Of a pause that is there already nobody knows the beginning.
create table grizz.memory_pauses (
  user_id uuid not null,
  paused_at timestamptz not null default clock_timestamp(),
  resumed_at timestamptz,
  primary key (user_id, paused_at)
);
insert into grizz.memory_pauses (user_id, paused_at)
select s.user_id, '-infinity' from grizz.memory_settings s where s.is_paused;

create function grizz.was_paused(p_user uuid, p_at timestamptz) returns boolean
language sql stable
as $$
  select exists (
    select from grizz.memory_pauses p
    where p.user_id = p_user and p.paused_at <= p_at and (p.resumed_at is null or p.resumed_at > p_at)
  )
$$;

create function grizz.note_pause() returns trigger
language plpgsql
as $$
begin
  if new.is_paused then
    insert into grizz.memory_pauses (user_id)
    select new.user_id
    where not exists (select from grizz.memory_pauses p where p.user_id = new.user_id and p.resumed_at is null)
    -- Within one moment of the clock, which may be a millisecond.
    on conflict (user_id, paused_at) do update set resumed_at = null;
    return null;
  end if;
  update grizz.memory_pauses p set resumed_at = clock_timestamp() where p.user_id = new.user_id and p.resumed_at is null;
  if to_regclass('grizz.message_vectors') is not null then
    update grizz.message_vectors v set generation = 0 where v.user_id = new.user_id and v.generation = -1;
  end if;
  return null;
end
$$;
create trigger grizz_note_pause after insert or update on grizz.memory_settings
  for each row execute function grizz.note_pause();

-- As before; but what was said before a pause waits for its end, as generation -1, and where there is nothing to do nothing
-- is written, not even a lock.
create or replace function grizz.claim_embeddings(p_owner uuid, p_lease interval, p_model text, p_limit integer, p_length integer)
returns json
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  model grizz.embedding_model;
  filled uuid;
  texts json;
  is_more boolean;
begin
  select e.* into model from grizz.embedding_model e
  where e.name = p_model
    and (e.lease_owner = p_owner or e.lease_until is null or e.lease_until <= clock_timestamp())
    -- The first of the index, whatever a plan expects of how many there are.
    and (e.lease_until is not null or e.filled_until is not null or e.generation > (
      select v.generation from grizz.message_vectors v where v.generation >= 0 order by v.generation limit 1
    ))
  for update skip locked;
  if not found then
    return null;
  end if;
  if model.filled_until is not null then
    with next as (
      select t.message_id, t.user_id from grizz.message_terms t
      where t.message_id > model.filled_until order by t.message_id limit 1000
      -- Whoever erases one of them does not wait for the others.
      for key share skip locked
    ), waiting as (
      insert into grizz.message_vectors (message_id, user_id)
      select n.message_id, n.user_id from next n on conflict (message_id) do nothing
    )
    select n.message_id into filled from next n order by n.message_id desc limit 1;
    model.filled_until := filled;
  end if;
  with next as materialized (
    select v.message_id, v.user_id from grizz.message_vectors v
    where v.generation >= 0 and v.generation < model.generation order by v.generation limit p_limit
    for update skip locked
  ), paused as materialized (
    -- Locked, so that an end of the pause finds what is made to wait for it.
    select s.user_id from grizz.memory_settings s
    where s.is_paused and s.user_id in (select n.user_id from next n) for share
  ), said as materialized (
    select n.message_id, m.content, n.user_id in (select p.user_id from paused p) as is_paused,
      m.content ~ '\S' and m.role in ('user', 'assistant') and not grizz.was_paused(n.user_id, m.created_at) as is_wanted
    from next n join public.messages m on m.id = n.message_id
  ), put_off as (
    update grizz.message_vectors v
    set generation = case when s.is_wanted then -1 else model.generation end, embedding = null
    from said s where s.message_id = v.message_id and (s.is_paused or not s.is_wanted)
  )
  select json_agg(json_build_object('id', s.message_id, 'text', left(s.content, p_length), 'hash', md5(s.content)))
  into texts from said s where s.is_wanted and not s.is_paused;
  is_more := model.filled_until is not null or model.generation > (
    select v.generation from grizz.message_vectors v where v.generation >= 0 order by v.generation limit 1
  );
  -- Whoever has nothing to do leaves the work to whoever comes next.
  update grizz.embedding_model
  set lease_owner = p_owner, filled_until = model.filled_until,
    lease_until = case when texts is not null or is_more then clock_timestamp() + p_lease end;
  return json_build_object(
    'generation', model.generation, 'texts', coalesce(texts, '[]'), 'is_more', coalesce(is_more, false)
  );
end
$$;

-- As before; but what is derived again in the very same words gains sources, and supersedes as it would as a new memory.
create or replace function grizz.save_derived(
  p_claim uuid, p_conversation uuid, p_kind text, p_memories jsonb, p_version text
) returns integer
language plpgsql
as $$
declare
  owner uuid;
  conversation_day date;
  derived record;
  holding uuid;
  said_until timestamptz;
  sources_left integer;
  saved integer := 0;
begin
  select c.user_id into owner from public.conversations c where c.id = p_conversation;
  if not found then
    return 0;
  end if;
  perform grizz.lock_memories(owner);
  select c.conv_day into conversation_day
  from public.conversations c where c.id = p_conversation and c.user_id = owner for no key update;
  if not found then
    return 0;
  end if;
  perform from grizz.derivations d
  where d.conversation_id = p_conversation and d.claim = p_claim
    and d.kind = case p_kind when 'fact' then 'facts' else 'summary' end
  for update;
  if not found or exists (select from grizz.memory_settings s where s.user_id = owner and s.is_paused) then
    return 0;
  end if;
  for derived in
    select (e ->> 'id')::uuid as id, e ->> 'text' as text, (e ->> 'supersedes')::uuid as supersedes,
      array(select s::uuid from jsonb_array_elements_text(e -> 'sources') s) as sources
    from jsonb_array_elements(p_memories) e
  loop
    select count(*), max(m.created_at) into sources_left, said_until
    from public.messages m where m.id = any (derived.sources) and m.conversation_id = p_conversation;
    continue when sources_left <> cardinality(derived.sources);
    select k.id into holding from grizz.memories k
    where k.user_id = owner and k.superseded_by is null and k.kind = p_kind and k.text = derived.text
      and (p_kind = 'fact' or k.day = conversation_day)
    limit 1;
    if not found then
      holding := derived.id;
      insert into grizz.memories (id, user_id, kind, text, day, valid_from, version)
      values (
        holding, owner, p_kind, derived.text, case p_kind when 'summary' then conversation_day end, said_until, p_version
      );
    end if;
    insert into grizz.memory_sources (memory_id, message_id) select holding, unnest(derived.sources)
    on conflict do nothing;
    update grizz.memories k set superseded_by = holding, valid_to = said_until
    where k.user_id = owner and k.kind = p_kind and k.superseded_by is null and k.id <> holding
      and case p_kind when 'fact' then k.id = derived.supersedes else k.day = conversation_day end;
    saved := saved + 1;
  end loop;
  return saved;
end
$$;

-- What guards the engine's own tables by row-level security, where it is not done yet: one script a table, because each of
-- them locks it, and who holds several such locks at once may wait in a circle with a turn. Their owner passes, and the
-- role grizz_engine; whoever else is ever granted one of them sees no row.
create function grizz.row_security_due() returns setof text
language sql stable
as $$
  select format('alter table grizz.%I enable row level security', c.relname) || case
      when e.has_role and not e.has_policy
      then format('; create policy grizz_engine on grizz.%I to grizz_engine using (true) with check (true)', c.relname)
      else '' end
  from pg_catalog.pg_class c, lateral (
    select exists (select from pg_catalog.pg_roles r where r.rolname = 'grizz_engine') as has_role,
      exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid and p.polname = 'grizz_engine') as has_policy
  ) e
  where c.relnamespace = 'grizz'::regnamespace and c.relkind = 'r'
    and (not c.relrowsecurity or e.has_role and not e.has_policy)
$$;

-- As before; but of texts that are long each word is looked at once, and their languages are told by their beginnings, for
-- all of them together.
create or replace function grizz.matched_words(p_user uuid, p_wanted bigint[], p_texts text[]) returns text[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  known regdictionary[] := array(
    select distinct unnest(grizz.dictionaries_of(left(content, 4000))) from unnest(p_texts) content
  );
begin
  return array(
    with pieces as materialized (
      select distinct piece from unnest(p_texts) content, string_to_table(left(content, 16000), ' ') piece
    ), words as materialized (
      select distinct t.token, t.tokid in (1, 2, 10, 11) as is_word
      from pieces, ts_parse('default', piece) t
      where t.tokid not in (12, 13, 14, 15, 16, 17, 23)
    )
    select w.token
    from words w, unnest(case when w.is_word then known else '{simple}' end) dictionary,
      unnest(ts_lexize(dictionary, w.token)) stem
    where grizz.term_of(p_user, stem) = any (p_wanted)
    group by w.token
  );
end
$$;

-- Which memories matter for a question is told by their words, and what a model derives respects what the user did: a pin,
-- a corrected summary; and time.

-- Those that there are get theirs here: some hundred a user at most.
alter table grizz.memories add column words text[] generated always as (grizz.words_of(text)) stored;

-- As before, and: a correction keeps the pin; a day's summary that the user corrected holds; what was said earlier is stored
-- as corrected by what it would have corrected.
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
  is_late boolean;
  corrected grizz.memories;
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
    select k.* into corrected from grizz.memories k
    where k.user_id = owner and k.kind = p_kind and k.superseded_by is null and k.id is distinct from holding
      and case p_kind when 'fact' then k.id = derived.supersedes else k.day = conversation_day end;
    saved := saved + 1;
    -- Of a day the user's own words hold.
    continue when p_kind = 'summary' and corrected.id is not null and corrected.version is null;
    -- What was said before does not correct what was said after it, whichever is gone through first.
    is_late := p_kind = 'fact' and coalesce(corrected.valid_from > said_until, false);
    if holding is null then
      holding := derived.id;
      insert into grizz.memories (id, user_id, kind, text, day, valid_from, version, valid_to, superseded_by)
      values (
        holding, owner, p_kind, derived.text, case p_kind when 'summary' then conversation_day end, said_until, p_version,
        case when is_late then corrected.valid_from end, case when is_late then corrected.id end
      );
    end if;
    insert into grizz.memory_sources (memory_id, message_id) select holding, unnest(derived.sources)
    on conflict do nothing;
    if corrected.id is not null and not is_late then
      update grizz.memories k set superseded_by = holding, valid_to = greatest(said_until, corrected.valid_from)
      where k.id = corrected.id;
      -- What the user pinned stays pinned in its new words.
      update grizz.memories k set is_pinned = true where k.id = holding and corrected.is_pinned;
    end if;
  end loop;
  return saved;
end
$$;

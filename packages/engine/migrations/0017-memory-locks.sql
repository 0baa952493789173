-- What changes several of a user's memories holds one lock of that user, so that no two of them wait for each other: a
-- save in one conversation corrects what came from others, in the model's order, and an erasure or a correction takes
-- memories and messages along in whatever order the cascades have. Where a conversation is locked too, that comes
-- after it: whoever waits for that lock keeps no conversation's replies waiting.
-- Signatures stay, because the previous release calls these functions.

create function grizz.lock_memories(p_user uuid) returns void
language plpgsql
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('grizz.memories ' || p_user, 0));
end
$$;

create or replace function grizz.save_derived(
  p_claim uuid, p_conversation uuid, p_kind text, p_memories jsonb, p_version text
) returns integer
language plpgsql
as $$
declare
  owner uuid;
  conversation_day date;
  derived record;
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
    continue when sources_left <> cardinality(derived.sources) or exists (
      select from grizz.memories k
      where k.user_id = owner and k.superseded_by is null and k.kind = p_kind and k.text = derived.text
    );
    insert into grizz.memories (id, user_id, kind, text, day, valid_from, version)
    values (
      derived.id, owner, p_kind, derived.text, case p_kind when 'summary' then conversation_day end, said_until, p_version
    );
    insert into grizz.memory_sources (memory_id, message_id) select derived.id, unnest(derived.sources);
    update grizz.memories k set superseded_by = derived.id, valid_to = said_until
    where k.user_id = owner and k.kind = p_kind and k.superseded_by is null and k.id <> derived.id
      and case p_kind when 'fact' then k.id = derived.supersedes else k.day = conversation_day end;
    saved := saved + 1;
  end loop;
  return saved;
end
$$;

create or replace function grizz.correct_memory(p_user uuid, p_memory uuid, p_new uuid, p_text text, p_pinned boolean) returns text
language plpgsql
as $$
declare
  mine grizz.memories;
  corrected_at timestamptz;
begin
  perform grizz.lock_memories(p_user);
  select m.* into mine from grizz.memories m where m.id = p_memory and m.user_id = p_user for update;
  if not found then
    return null;
  end if;
  if mine.superseded_by is not null then
    return 'superseded';
  end if;
  if coalesce(p_text, mine.text) = mine.text then
    update grizz.memories m set is_pinned = coalesce(p_pinned, m.is_pinned) where m.id = p_memory;
    return p_memory::text;
  end if;
  corrected_at := greatest(clock_timestamp(), mine.created_at + interval '1 microsecond');
  insert into grizz.memories (id, user_id, kind, text, is_pinned, day, valid_from, created_at)
  values (
    p_new, p_user, mine.kind, p_text, coalesce(p_pinned, mine.is_pinned), mine.day, corrected_at, corrected_at
  );
  insert into grizz.memory_sources (memory_id, message_id)
  select p_new, s.message_id from grizz.memory_sources s where s.memory_id = p_memory;
  update grizz.memories m set superseded_by = p_new, valid_to = corrected_at where m.id = p_memory;
  return p_new::text;
end
$$;

create or replace function grizz.forget_memory(p_user uuid, p_memory uuid) returns boolean
language plpgsql
as $$
begin
  perform grizz.lock_memories(p_user);
  with recursive chain as (
    select m.id from grizz.memories m where m.id = p_memory and m.user_id = p_user
    union
    select m.id from grizz.memories m join chain c on m.superseded_by = c.id where m.user_id = p_user
  )
  delete from grizz.memories m using chain c where m.id = c.id;
  return found;
end
$$;

create or replace function grizz.erase_message(p_user uuid, p_conversation uuid, p_message uuid) returns json
language plpgsql
as $$
declare
  gone record;
  erased integer;
  stopped uuid[];
begin
  perform grizz.lock_memories(p_user);
  perform from public.conversations c where c.id = p_conversation and c.user_id = p_user for no key update;
  if not found then
    return null;
  end if;
  delete from public.messages m where m.id = p_message and m.conversation_id = p_conversation
  returning m.position, m.content <> '' as has_text into gone;
  if not found then
    return null;
  end if;
  if gone.has_text and not exists (
    select from grizz.replies r where r.id = p_message and r.superseded_by is not null
  ) then
    insert into grizz.erased_messages (conversation_id, position) values (p_conversation, gone.position)
    on conflict do nothing;
  end if;
  insert into grizz.erasures as e (conversation_id, count) values (p_conversation, 1)
  on conflict (conversation_id) do update set count = e.count + 1
  returning e.count into erased;
  with asked as (
    update grizz.replies r set stop_requested_at = coalesce(r.stop_requested_at, clock_timestamp())
    where r.message_id = p_message and r.status in ('queued', 'running')
    returning r.id
  )
  select coalesce(array_agg(a.id), '{}') into stopped from asked a;
  return json_build_object('count', erased, 'stopped', to_json(stopped));
end
$$;

-- True when there was one of the user's.
create function grizz.delete_conversation(p_user uuid, p_conversation uuid) returns boolean
language plpgsql
as $$
begin
  perform grizz.lock_memories(p_user);
  perform from public.conversations c where c.id = p_conversation and c.user_id = p_user for update;
  if not found then
    return false;
  end if;
  delete from public.conversations c where c.id = p_conversation;
  return true;
end
$$;

-- What is known of a user beyond what was said: notes that the user made, facts and summaries that were derived. Whatever
-- is derived names the messages it came from, and goes with the first of them that is erased.

create table grizz.memories (
  id uuid primary key,
  user_id uuid not null,
  kind text not null check (kind in ('fact', 'summary', 'note')),
  text text not null check (text <> ''),
  is_pinned boolean not null default false,
  -- Of a summary: the user's calendar day.
  day date,
  valid_from timestamptz not null default clock_timestamp(),
  valid_to timestamptz,
  -- The memory that corrects this one. No foreign key: its row is followed by a trigger, below.
  superseded_by uuid,
  -- Version of the instructions it was derived with; null for what a user wrote.
  version text,
  created_at timestamptz not null default clock_timestamp(),
  constraint memories_superseded_has_end check (superseded_by is null or valid_to is not null)
);
create index memories_user_id_created_at_idx on grizz.memories (user_id, created_at desc, id desc);
create index memories_superseded_by_idx on grizz.memories (superseded_by) where superseded_by is not null;

create table grizz.memory_sources (
  memory_id uuid not null references grizz.memories (id) on delete cascade,
  message_id uuid not null references public.messages (id) on delete cascade,
  primary key (memory_id, message_id)
);
create index memory_sources_message_id_idx on grizz.memory_sources (message_id);

-- A user without a row has not paused.
create table grizz.memory_settings (
  user_id uuid primary key,
  is_paused boolean not null
);

-- Which of its sources a memory owes which word to, nobody knows: with one of them it goes.
create function grizz.forget_with_source() returns trigger
language plpgsql
as $$
begin
  delete from grizz.memories m where m.id = old.memory_id;
  return null;
end
$$;
create trigger grizz_forget_with_source after delete on grizz.memory_sources
  for each row execute function grizz.forget_with_source();

-- Where what corrected a memory is gone, because what it came from was erased, the memory holds again.
create function grizz.hold_again() returns trigger
language plpgsql
as $$
begin
  update grizz.memories m set superseded_by = null, valid_to = null where m.superseded_by = old.id;
  return null;
end
$$;
create trigger grizz_hold_again after delete on grizz.memories
  for each row execute function grizz.hold_again();

-- Writes the correction as a new memory with the sources of the old one; a change of the pin alone stays in the row. The
-- answer is the id of the memory that holds now; null where there is none of the user's, 'superseded' where it was corrected before.
create function grizz.correct_memory(p_user uuid, p_memory uuid, p_new uuid, p_text text, p_pinned boolean) returns text
language plpgsql
as $$
declare
  mine grizz.memories;
  corrected_at timestamptz;
begin
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

-- The memory and all that it superseded, so that nothing of it is left. True where there was one.
create function grizz.forget_memory(p_user uuid, p_memory uuid) returns boolean
language plpgsql
as $$
begin
  with recursive chain as (
    select m.id from grizz.memories m where m.id = p_memory and m.user_id = p_user
    union
    select m.id from grizz.memories m join chain c on m.superseded_by = c.id where m.user_id = p_user
  )
  delete from grizz.memories m using chain c where m.id = c.id;
  return found;
end
$$;

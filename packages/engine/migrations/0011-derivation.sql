-- What is derived of a conversation in the background: facts once it went quiet, a summary once its day is over. One row is
-- one job, whatever the number of nodes; it holds no text, and goes with its conversation.

create table grizz.derivations (
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  kind text not null check (kind in ('facts', 'summary')),
  -- The highest position that was gone through.
  position integer not null default -1,
  -- When it is to be done, or, while it is being done, when another may take it over; null when there is nothing to do.
  due_at timestamptz,
  -- Fences: whoever claimed it last may save.
  claim uuid,
  attempts integer not null default 0,
  primary key (conversation_id, kind)
);
create index derivations_due_at_idx on grizz.derivations (due_at) where due_at is not null;

-- Until when conversations that went quiet were looked for. What was said before this migration is not gone through.
create table grizz.derivation_sweep (
  is_only boolean primary key default true check (is_only),
  swept_until timestamptz not null
);
insert into grizz.derivation_sweep (swept_until) values (now());
create index if not exists conversations_updated_at_idx on public.conversations (updated_at);

create table grizz.memory_budgets (
  user_id uuid not null,
  -- In UTC.
  day date not null,
  calls integer not null default 0,
  tokens bigint not null default 0,
  primary key (user_id, day)
);

-- When a user's day is over. A zone that PostgreSQL does not know is read as UTC.
create function grizz.end_of_day(p_day date, p_zone text) returns timestamptz
language plpgsql stable
as $$
begin
  return (p_day + 1)::timestamp at time zone coalesce(p_zone, 'UTC');
exception when others then
  return (p_day + 1)::timestamp at time zone 'UTC';
end
$$;

-- Makes jobs of the conversations that went quiet since the last look. One node at a time; the others pass by.
create function grizz.schedule_derivations(p_quiet interval) returns void
language plpgsql
as $$
declare
  since timestamptz;
  until timestamptz := clock_timestamp() - p_quiet;
begin
  select s.swept_until into since from grizz.derivation_sweep s for update skip locked;
  if not found or since >= until then
    return;
  end if;
  insert into grizz.derivations as d (conversation_id, kind, due_at)
  select c.id, k.kind,
    case k.kind when 'facts' then clock_timestamp()
      else greatest(clock_timestamp(), grizz.end_of_day(c.conv_day, c.timezone)) end
  from public.conversations c cross join (values ('facts'), ('summary')) k (kind)
  where c.updated_at > since and c.updated_at <= until and (k.kind = 'facts' or c.conv_day is not null)
  -- Who is at it sees by itself, in the end, that more was said.
  on conflict (conversation_id, kind) do update set due_at = excluded.due_at where d.claim is null;
  update grizz.derivation_sweep set swept_until = until;
end
$$;

create function grizz.claim_derivation(p_claim uuid, p_lease interval) returns json
language plpgsql
as $$
declare
  claimed grizz.derivations;
begin
  update grizz.derivations d
  set claim = p_claim, due_at = clock_timestamp() + p_lease, attempts = d.attempts + 1
  where (d.conversation_id, d.kind) = (
    select q.conversation_id, q.kind from grizz.derivations q
    where q.due_at <= clock_timestamp() order by q.due_at limit 1 for update skip locked
  )
  returning d.* into claimed;
  if not found then
    return null;
  end if;
  return (
    select json_build_object(
      'conversation_id', c.id, 'user_id', c.user_id, 'kind', claimed.kind, 'day', c.conv_day,
      'position', claimed.position, 'attempt', claimed.attempts,
      'until', coalesce((
        select m.position from public.messages m where m.conversation_id = c.id order by m.position desc limit 1
      ), -1),
      'is_paused', coalesce((select s.is_paused from grizz.memory_settings s where s.user_id = c.user_id), false)
    )
    from public.conversations c where c.id = claimed.conversation_id
  );
end
$$;

-- The job is done up to a position; where more was said meanwhile it is due again. False when it is another's by now.
create function grizz.end_derivation(p_claim uuid, p_conversation uuid, p_kind text, p_position integer, p_again interval)
returns boolean
language plpgsql
as $$
begin
  update grizz.derivations d
  set claim = null, attempts = 0, position = greatest(d.position, p_position),
    due_at = case when exists (
      select from public.messages m where m.conversation_id = p_conversation and m.position > p_position
    ) then clock_timestamp() + p_again end
  where d.conversation_id = p_conversation and d.kind = p_kind and d.claim = p_claim;
  return found;
end
$$;

-- Stores what was derived, unless the job is another's by now, the user has paused meanwhile, or a source was erased.
-- p_memories: [{id, text, sources: [message id], supersedes: memory id or null}]
create function grizz.save_derived(
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
  -- As an erasure does: the conversation first.
  select c.user_id, c.conv_day into owner, conversation_day
  from public.conversations c where c.id = p_conversation for no key update;
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

-- As before; and a day whose summary goes with one message gets another one, without it.
create or replace function grizz.forget_with_source() returns trigger
language plpgsql
as $$
begin
  update grizz.derivations d set position = -1, due_at = coalesce(d.due_at, clock_timestamp())
  where d.kind = 'summary' and d.conversation_id = (
    select g.conversation_id from grizz.memory_sources s join public.messages g on g.id = s.message_id
    where s.memory_id = old.memory_id limit 1
  ) and (select m.kind from grizz.memories m where m.id = old.memory_id) = 'summary';
  delete from grizz.memories m where m.id = old.memory_id;
  return null;
end
$$;

-- A user's earlier messages are recollected too: whoever hands out a reply says that there may be some, unless the window
-- holds the whole conversation and it is the user's only one. So the first ten messages remain two round trips each.

-- A moment's work beside a turn, however much was said. The one of 0012 stays for turns that run while this is applied.
create function grizz.recollects(p_user uuid, p_conversation uuid, p_position integer, p_earlier integer) returns boolean
language plpgsql stable
as $$
begin
  return (
      p_position > p_earlier
      or exists (select from grizz.memories m where m.user_id = p_user)
      or exists (select from public.conversations c where c.user_id = p_user and c.id <> p_conversation)
    )
    and not exists (select from grizz.memory_settings s where s.user_id = p_user and s.is_paused);
end
$$;

-- The zone by its name, or UTC where there is none that PostgreSQL knows.
create function grizz.known_zone(p_zone text) returns text
language plpgsql stable
as $$
begin
  perform now() at time zone p_zone;
  return coalesce(p_zone, 'UTC');
exception when others then
  return 'UTC';
end
$$;

create or replace function grizz.job_of(p_reply grizz.replies, p_earlier integer) returns json
language plpgsql stable
as $$
declare
  asked record;
begin
  select m.position, m.content, m.metadata, m.created_at into asked
  from public.messages m where m.id = p_reply.message_id;
  return json_build_object(
    'reply_id', p_reply.id,
    'message_id', p_reply.message_id,
    'position', p_reply.position,
    'attempt', p_reply.attempt,
    'stop_requested', p_reply.stop_requested_at is not null,
    'context', grizz.context_before(p_reply.conversation_id, coalesce(asked.position, p_reply.position), p_earlier),
    'recollects', grizz.recollects(
      p_reply.user_id, p_reply.conversation_id, coalesce(asked.position, p_reply.position), p_earlier
    ),
    'message', case when found then json_build_object(
      'position', asked.position, 'content', asked.content, 'metadata', asked.metadata,
      'created_at', grizz.rfc3339(asked.created_at)
    ) end
  );
end
$$;

create or replace function grizz.accept_message(
  p_user uuid, p_conversation uuid, p_message uuid, p_content text, p_metadata jsonb,
  p_reply uuid, p_owner text, p_lease interval, p_earlier integer, p_concurrent text
) returns json
language plpgsql
as $$
declare
  last_update timestamptz;
  interrupted uuid[] := '{}';
  is_known boolean;
  must_wait boolean;
  place integer;
  accepted_at timestamptz;
begin
  select c.updated_at into last_update
  from public.conversations c where c.id = p_conversation and c.user_id = p_user
  for no key update;
  if not found then
    return json_build_object('outcome', 'not_found');
  end if;

  -- One statement, which sees what was committed before the lock was had. A look for each way in which the id may be in
  -- use: "or" within one look would have no index.
  select
    exists (select from public.messages m where m.id = p_message)
      or exists (select from grizz.replies r where r.message_id = p_message)
      or exists (select from grizz.replies r where r.id = p_message),
    exists (
      select from grizz.replies r where r.conversation_id = p_conversation and r.status in ('queued', 'running')
    ),
    1 + greatest(
      coalesce((
        select m.position from public.messages m
        where m.conversation_id = p_conversation order by m.position desc limit 1
      ), -1),
      coalesce((
        select r.position from grizz.replies r
        where r.conversation_id = p_conversation order by r.position desc limit 1
      ), -1)
    )
  into is_known, must_wait, place;
  if is_known then
    return grizz.accept_known(p_conversation, p_message, p_content, p_owner, p_earlier);
  end if;
  if must_wait and p_concurrent = 'reject' then
    return json_build_object('outcome', 'in_progress');
  end if;

  accepted_at := greatest(clock_timestamp(), last_update + interval '1 microsecond');
  insert into public.messages (id, conversation_id, user_id, role, content, metadata, position, created_at)
  values (p_message, p_conversation, p_user, 'user', p_content, p_metadata, place, accepted_at)
  on conflict (id) do nothing;
  if not found then
    -- Taken by another conversation, whose lock is not this one, since the look above.
    return json_build_object('outcome', 'conflict');
  end if;

  if must_wait and p_concurrent = 'interrupt' then
    with stopped as (
      update grizz.replies r set stop_requested_at = coalesce(r.stop_requested_at, clock_timestamp())
      where r.conversation_id = p_conversation and r.status in ('queued', 'running')
      returning r.id
    )
    select array_agg(s.id) into interrupted from stopped s;
  end if;
  insert into grizz.replies (
    id, conversation_id, message_id, user_id, position, status, attempt, calls, lease_owner, lease_until, created_at,
    started_at
  ) values (
    p_reply, p_conversation, p_message, p_user, place + 1,
    case when must_wait then 'queued' else 'running' end,
    case when must_wait then 0 else 1 end,
    case when must_wait then 0 else 1 end,
    case when not must_wait then p_owner end,
    case when not must_wait then clock_timestamp() + p_lease end,
    accepted_at,
    case when not must_wait then accepted_at end
  );
  update public.conversations set updated_at = accepted_at where id = p_conversation;

  return json_build_object(
    'outcome', 'accepted',
    'position', place,
    'created_at', grizz.rfc3339(accepted_at),
    'interrupted', to_json(interrupted),
    'context', case when not must_wait then grizz.context_before(p_conversation, place, p_earlier) end,
    'recollects', case when not must_wait then grizz.recollects(p_user, p_conversation, place, p_earlier) end
  );
end
$$;

-- A turn's two round trips, and the taking over of what a dead node left. Every one of them locks the conversation's row
-- first and looks afterwards: a statement that waited for a lock goes on with the snapshot from before the wait, the
-- next statement of a function has a new one.

create function grizz.rfc3339(t timestamptz) returns text
language sql stable
as $$ select to_char(t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

-- 1 + the highest position given or reserved. The caller holds the conversation's row.
create function grizz.next_position(p_conversation uuid) returns integer
language sql volatile
as $$
  -- Not max(): without fresh statistics that reads every row of the conversation.
  select 1 + greatest(
    coalesce((
      select m.position from public.messages m where m.conversation_id = p_conversation order by m.position desc limit 1
    ), -1),
    coalesce((
      select r.position from grizz.replies r where r.conversation_id = p_conversation order by r.position desc limit 1
    ), -1)
  )
$$;

-- The newest messages below a position that a model should see, ascending. A sub-select and no join, here and in the
-- engine's statements: a plan that is kept from when replies were few would else read them all.
create function grizz.context_before(p_conversation uuid, p_position integer, p_limit integer) returns json
language sql stable
as $$
  select coalesce(json_agg(json_build_object('role', c.role, 'content', c.content) order by c.position), '[]')
  from (
    select m.role, m.content, m.position
    from public.messages m
    where m.conversation_id = p_conversation
      and m.position < p_position
      and m.role in ('user', 'assistant')
      and m.content <> ''
      and (select r.superseded_by from grizz.replies r where r.id = m.id) is null
    order by m.position desc
    limit p_limit
  ) c
$$;

-- p_earlier: how many earlier messages the context holds at most. The context is without the new message.
-- p_concurrent: what happens while a reply of the conversation is under way: enqueue | interrupt | reject.
create function grizz.accept_message(
  p_user uuid, p_conversation uuid, p_message uuid, p_content text, p_metadata jsonb,
  p_reply uuid, p_owner text, p_lease interval, p_earlier integer, p_concurrent text
) returns json
language plpgsql
as $$
declare
  last_update timestamptz;
  interrupted uuid[] := '{}';
  known record;
  answer grizz.replies;
  place integer;
  accepted_at timestamptz;
  must_wait boolean;
begin
  select c.updated_at into last_update
  from public.conversations c where c.id = p_conversation and c.user_id = p_user
  for no key update;
  if not found then
    return json_build_object('outcome', 'not_found');
  end if;

  select m.conversation_id, m.role, m.content, m.position, m.metadata, m.created_at into known
  from public.messages m where m.id = p_message;
  if found then
    select r.* into answer from grizz.replies r where r.message_id = p_message order by r.position desc limit 1;
    if not found or known.conversation_id <> p_conversation or known.role <> 'user' or known.content <> p_content then
      return json_build_object('outcome', 'conflict');
    end if;
    -- The owner itself asks again when the answer to its first try was lost: then it has a reply to produce.
    return json_build_object(
      'outcome', 'repeat', 'reply_id', answer.id,
      'message', json_build_object(
        'position', known.position, 'content', known.content, 'metadata', known.metadata,
        'created_at', grizz.rfc3339(known.created_at)
      ),
      'job', case when answer.status = 'running' and answer.lease_owner = p_owner
        then grizz.job_of(answer, p_earlier) end
    );
  end if;
  -- Erased since: the id was used, and stays used.
  select r.* into answer from grizz.replies r
  where r.message_id = p_message and r.conversation_id = p_conversation order by r.position desc limit 1;
  if found then
    return json_build_object('outcome', 'repeat', 'reply_id', answer.id);
  end if;
  if exists (select from grizz.replies r where r.id = p_message or r.message_id = p_message) then
    return json_build_object('outcome', 'conflict');
  end if;

  must_wait := exists (
    select from grizz.replies r where r.conversation_id = p_conversation and r.status in ('queued', 'running')
  );
  if must_wait and p_concurrent = 'reject' then
    return json_build_object('outcome', 'in_progress');
  end if;

  place := grizz.next_position(p_conversation);
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
    'context', case when not must_wait then grizz.context_before(p_conversation, place, p_earlier) end
  );
end
$$;

-- What a node needs to produce a running reply: the message that it answers, and what was said before it.
create function grizz.job_of(p_reply grizz.replies, p_earlier integer) returns json
language sql stable
as $$
  select json_build_object(
    'reply_id', p_reply.id,
    'message_id', p_reply.message_id,
    'position', p_reply.position,
    'attempt', p_reply.attempt,
    'stop_requested', p_reply.stop_requested_at is not null,
    'context', grizz.context_before(p_reply.conversation_id, coalesce(m.position, p_reply.position), p_earlier),
    'message', case when m.id is not null then json_build_object(
      'position', m.position, 'content', m.content, 'metadata', m.metadata, 'created_at', grizz.rfc3339(m.created_at)
    ) end
  )
  from (select) nothing left join public.messages m on m.id = p_reply.message_id
$$;

-- Makes the conversation's next queued reply the owner's; null when none waits. The caller holds the conversation's row
-- and knows that none runs.
create function grizz.start_next(p_conversation uuid, p_owner text, p_lease interval, p_earlier integer) returns json
language plpgsql
as $$
declare
  started grizz.replies;
begin
  update grizz.replies r
  set status = 'running', attempt = r.attempt + 1, calls = r.calls + 1, lease_owner = p_owner,
    lease_until = clock_timestamp() + p_lease, started_at = clock_timestamp()
  where r.id = (
    select q.id from grizz.replies q
    where q.conversation_id = p_conversation and q.status = 'queued'
    order by q.position limit 1
  )
  returning r.* into started;
  return case when found then grizz.job_of(started, p_earlier) end;
end
$$;

-- Ends a running reply: its text becomes a message at the position that was reserved. The caller holds the
-- conversation's row. The message has no user_id: the companion is nobody's user.
create function grizz.finish_reply(
  p_reply uuid, p_status text, p_text text, p_error text, p_input integer, p_output integer, p_model text
) returns timestamptz
language plpgsql
as $$
declare
  finished record;
  finished_at timestamptz;
begin
  select r.conversation_id, r.position, c.updated_at into strict finished
  from grizz.replies r join public.conversations c on c.id = r.conversation_id
  where r.id = p_reply;
  finished_at := greatest(clock_timestamp(), finished.updated_at + interval '1 microsecond');
  update grizz.replies
  set status = p_status, text = '', error_code = p_error, input_tokens = p_input, output_tokens = p_output,
    model = p_model, lease_until = null, ended_at = finished_at
  where id = p_reply;
  insert into public.messages (id, conversation_id, user_id, role, content, metadata, position, created_at)
  values (p_reply, finished.conversation_id, null, 'assistant', p_text, null, finished.position, finished_at);
  update public.conversations set updated_at = finished_at where id = finished.conversation_id;
  return finished_at;
end
$$;

-- Null when the reply is not, or no longer, this attempt of this owner: then nothing is written. An owner that saves the
-- same end again, because the answer to its first try was lost, gets the same answer.
create function grizz.end_reply(
  p_conversation uuid, p_reply uuid, p_owner text, p_attempt integer,
  p_status text, p_text text, p_error text, p_input integer, p_output integer, p_model text,
  p_lease interval, p_earlier integer
) returns json
language plpgsql
as $$
declare
  mine grizz.replies;
  next_reply grizz.replies;
  finished_at timestamptz;
begin
  perform from public.conversations c where c.id = p_conversation for no key update;
  if not found then
    return null;
  end if;
  select r.* into mine from grizz.replies r
  where r.id = p_reply and r.conversation_id = p_conversation
    and r.lease_owner = p_owner and r.attempt = p_attempt and r.status <> 'queued'
  for update;
  if not found then
    return null;
  end if;
  if mine.status <> 'running' then
    select r.* into next_reply from grizz.replies r
    where r.conversation_id = p_conversation and r.status = 'running' and r.lease_owner = p_owner;
    return json_build_object(
      'created_at', grizz.rfc3339(mine.ended_at),
      'stored', json_build_object(
        'status', mine.status,
        'text', coalesce((select m.content from public.messages m where m.id = p_reply), ''),
        'error_code', mine.error_code, 'input_tokens', mine.input_tokens, 'output_tokens', mine.output_tokens
      ),
      'next', case when found then grizz.job_of(next_reply, p_earlier) end
    );
  end if;
  finished_at := grizz.finish_reply(p_reply, p_status, p_text, p_error, p_input, p_output, p_model);
  return json_build_object(
    'created_at', grizz.rfc3339(finished_at),
    'stored', null,
    'next', grizz.start_next(p_conversation, p_owner, p_lease, p_earlier)
  );
end
$$;

-- A new reply to a message that was answered before: only of the newest reply, and only when it has ended.
create function grizz.retry_reply(
  p_user uuid, p_reply uuid, p_new_reply uuid, p_owner text, p_lease interval, p_earlier integer
) returns json
language plpgsql
as $$
declare
  earlier grizz.replies;
  started grizz.replies;
begin
  select r.* into earlier from grizz.replies r where r.id = p_reply and r.user_id = p_user;
  if not found then
    return json_build_object('outcome', 'not_found');
  end if;
  perform from public.conversations c where c.id = earlier.conversation_id and c.user_id = p_user for no key update;
  if not found then
    return json_build_object('outcome', 'not_found');
  end if;
  if not exists (select from public.messages m where m.id = earlier.message_id) or exists (
    select from grizz.replies r
    where r.conversation_id = earlier.conversation_id
      and (r.position > earlier.position or r.status in ('queued', 'running'))
  ) then
    return json_build_object('outcome', 'conflict');
  end if;
  insert into grizz.replies (
    id, conversation_id, message_id, user_id, position, status, attempt, calls, lease_owner, lease_until, started_at
  ) values (
    p_new_reply, earlier.conversation_id, earlier.message_id, p_user, grizz.next_position(earlier.conversation_id),
    'running', 1, 1, p_owner, clock_timestamp() + p_lease, clock_timestamp()
  ) returning * into started;
  update grizz.replies set superseded_by = p_new_reply where id = p_reply;
  return json_build_object(
    'outcome', 'accepted', 'conversation_id', earlier.conversation_id, 'job', grizz.job_of(started, p_earlier)
  );
end
$$;

-- Erases a message's text wherever it is. A reply to it that is under way is asked to stop.
create function grizz.erase_message(p_user uuid, p_conversation uuid, p_message uuid) returns json
language plpgsql
as $$
declare
  erased integer;
  stopped uuid[];
begin
  perform from public.conversations c where c.id = p_conversation and c.user_id = p_user for no key update;
  if not found then
    return null;
  end if;
  delete from public.messages m where m.id = p_message and m.conversation_id = p_conversation;
  if not found then
    return null;
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

-- Takes over what no living node produces: goes on with a new attempt while there are model calls left, else ends it with
-- the text that was saved; then starts what was queued behind it. Never waits for a row: what another node or a
-- heartbeat holds at this moment is alive, or comes in the next sweep.
create function grizz.take_over(
  p_owner text, p_lease interval, p_earlier integer, p_limit integer, p_calls_max integer
) returns setof json
language plpgsql
as $$
declare
  candidate uuid;
  late grizz.replies;
  finished_at timestamptz;
  outcome text;
  ended json;
  started json;
begin
  for candidate in
    select r.conversation_id from grizz.replies r
    where r.status in ('queued', 'running')
    group by r.conversation_id
    having bool_and(r.status = 'queued' or r.lease_until < clock_timestamp())
    limit p_limit
  loop
    perform from public.conversations c where c.id = candidate for no key update skip locked;
    continue when not found;
    ended := null;
    started := null;
    if exists (select from grizz.replies r where r.conversation_id = candidate and r.status = 'running') then
      select r.* into late from grizz.replies r
      where r.conversation_id = candidate and r.status = 'running' and r.lease_until < clock_timestamp()
      for update skip locked;
      continue when not found;
      -- Always a new attempt: the owner that lost it may still hold text that nobody else has seen.
      if late.stop_requested_at is null and late.calls < p_calls_max then
        update grizz.replies r
        set attempt = r.attempt + 1, calls = r.calls + 1, text = '', lease_owner = p_owner,
          lease_until = clock_timestamp() + p_lease
        where r.id = late.id
        returning r.* into late;
        started := grizz.job_of(late, p_earlier);
      else
        outcome := case when late.stop_requested_at is null then 'failed' else 'stopped' end;
        update grizz.replies set attempt = late.attempt + 1 where id = late.id;
        finished_at := grizz.finish_reply(
          late.id, outcome, late.text, case when outcome = 'failed' then 'interrupted' end, null, null, null
        );
        ended := json_build_object(
          'reply_id', late.id, 'message_id', late.message_id, 'position', late.position, 'attempt', late.attempt + 1,
          'status', outcome, 'text', late.text, 'created_at', grizz.rfc3339(finished_at)
        );
      end if;
    end if;
    started := coalesce(started, grizz.start_next(candidate, p_owner, p_lease, p_earlier));
    if ended is not null or started is not null then
      return next json_build_object('conversation_id', candidate, 'ended', ended, 'next', started);
    end if;
  end loop;
end
$$;

-- The same rules for less: what a turn runs is planned once per connection, and looks at as many rows in a long
-- conversation as in a short one. Signatures and answers stay, because the previous release calls these functions.

-- The previous release and the older engine go on meanwhile, and take these tables' locks in several orders: whoever holds
-- one of them and waits for the next may deadlock. So the turns, which begin with the conversation's row, are kept
-- waiting there, and what is then still held is not waited for but let go of and tried again.
do $$
declare
  began timestamptz := clock_timestamp();
begin
  loop
    begin
      lock table public.conversations in exclusive mode;
      lock table public.messages, grizz.replies in access exclusive mode nowait;
      exit;
    exception
      when lock_not_available then
        if clock_timestamp() > began + interval '30 seconds' then
          raise;
        end if;
    end;
    perform pg_sleep(0.02);
  end loop;
end
$$;

-- A function in SQL is parsed and planned again in every statement that calls it; one in PL/pgSQL keeps its plans.
create or replace function grizz.next_position(p_conversation uuid) returns integer
language plpgsql volatile
as $$
begin
  -- Not max(): without fresh statistics that reads every row of the conversation.
  return 1 + greatest(
    coalesce((
      select m.position from public.messages m where m.conversation_id = p_conversation order by m.position desc limit 1
    ), -1),
    coalesce((
      select r.position from grizz.replies r where r.conversation_id = p_conversation order by r.position desc limit 1
    ), -1)
  );
end
$$;

-- Empty but for retries, so that asking it of every message costs next to nothing.
create index replies_superseded_idx on grizz.replies (conversation_id, position) where superseded_by is not null;

create or replace function grizz.context_before(p_conversation uuid, p_position integer, p_limit integer) returns json
language plpgsql stable
as $$
begin
  return (
    select coalesce(json_agg(json_build_object('role', c.role, 'content', c.content) order by c.position), '[]')
    from (
      select m.role, m.content, m.position
      from public.messages m
      where m.conversation_id = p_conversation
        and m.position < p_position
        and m.role in ('user', 'assistant')
        and m.content <> ''
        -- No "is null" of a sub-select: the planner takes that to hold for one row in 200, and then reads the whole
        -- conversation and sorts it, instead of the newest of it by the index. No join either: its plan, kept from when
        -- replies were few, would read them all.
        and not coalesce((
          select true from grizz.replies r
          where r.conversation_id = p_conversation and r.position = m.position and r.superseded_by is not null
        ), false)
      order by m.position desc
      limit p_limit
    ) c
  );
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
    'message', case when found then json_build_object(
      'position', asked.position, 'content', asked.content, 'metadata', asked.metadata,
      'created_at', grizz.rfc3339(asked.created_at)
    ) end
  );
end
$$;

-- What a send is told whose message id is in use. The caller holds the conversation's row, and knows that it is the
-- user's.
create function grizz.accept_known(
  p_conversation uuid, p_message uuid, p_content text, p_owner text, p_earlier integer
) returns json
language plpgsql
as $$
declare
  known record;
  answer grizz.replies;
begin
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
  return json_build_object('outcome', 'conflict');
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
    'context', case when not must_wait then grizz.context_before(p_conversation, place, p_earlier) end
  );
end
$$;

-- What an owner is told that saves an end once more, because the answer to its first try was lost: the same again. Null
-- when the reply is not, or no longer, this attempt of this owner. The caller holds the conversation's row.
create function grizz.end_known(
  p_conversation uuid, p_reply uuid, p_owner text, p_attempt integer, p_earlier integer
) returns json
language plpgsql
as $$
declare
  mine grizz.replies;
  next_reply grizz.replies;
begin
  select r.* into mine from grizz.replies r where r.id = p_reply;
  if not found or mine.conversation_id <> p_conversation or mine.attempt <> p_attempt
    or mine.lease_owner is distinct from p_owner or mine.status in ('queued', 'running') then
    return null;
  end if;
  select r.* into next_reply from grizz.replies r
  where r.conversation_id = p_conversation and r.status = 'running' and r.lease_owner = p_owner;
  return json_build_object(
    'created_at', grizz.rfc3339(mine.ended_at),
    'stored', json_build_object(
      'status', mine.status,
      'text', coalesce((select m.content from public.messages m where m.id = p_reply), ''),
      'error_code', mine.error_code, 'input_tokens', mine.input_tokens, 'output_tokens', mine.output_tokens
    ),
    'next', case when next_reply.id is not null then grizz.job_of(next_reply, p_earlier) end
  );
end
$$;

-- The reply is found by its id alone; what else must hold is looked at afterwards, in the one row.
create or replace function grizz.end_reply(
  p_conversation uuid, p_reply uuid, p_owner text, p_attempt integer,
  p_status text, p_text text, p_error text, p_input integer, p_output integer, p_model text,
  p_lease interval, p_earlier integer
) returns json
language plpgsql
as $$
declare
  last_update timestamptz;
  finished_at timestamptz;
  place integer;
  has_next boolean;
begin
  select c.updated_at into last_update from public.conversations c where c.id = p_conversation for no key update;
  if not found then
    return null;
  end if;
  finished_at := greatest(clock_timestamp(), last_update + interval '1 microsecond');
  update grizz.replies r
  set status = p_status, text = '', error_code = p_error, input_tokens = p_input, output_tokens = p_output,
    model = p_model, lease_until = null, ended_at = finished_at
  where r.id = p_reply
    -- Behind a case, so that the planner has but the id to look it up by: in the index of running replies there may be a
    -- dead entry of every turn.
    and case when r.conversation_id = p_conversation then r.status end = 'running'
    and r.lease_owner = p_owner and r.attempt = p_attempt
  returning r.position, exists (
    select from grizz.replies q where q.conversation_id = p_conversation and q.status = 'queued'
  ) into place, has_next;
  if not found then
    return grizz.end_known(p_conversation, p_reply, p_owner, p_attempt, p_earlier);
  end if;
  insert into public.messages (id, conversation_id, user_id, role, content, metadata, position, created_at)
  values (p_reply, p_conversation, null, 'assistant', p_text, null, place, finished_at);
  update public.conversations set updated_at = finished_at where id = p_conversation;
  return json_build_object(
    'created_at', grizz.rfc3339(finished_at),
    'stored', null,
    'next', case when has_next then grizz.start_next(p_conversation, p_owner, p_lease, p_earlier) end
  );
end
$$;

-- The rules of a reply's row, as a trigger with kept plans: eleven constraints are read from their stored text and
-- compiled again by every statement that writes a row, which is half of what writing it costs.
create function grizz.check_reply() returns trigger
language plpgsql
as $$
declare
  is_running boolean := new.status = 'running';
  is_under_way boolean := new.status in ('queued', 'running');
  broken text;
begin
  broken := case
    when new.position < 0 then 'replies_position_check'
    when not is_under_way and new.status not in ('completed', 'stopped', 'failed') then 'replies_status_check'
    when new.attempt < 0 then 'replies_attempt_check'
    when new.calls < 0 then 'replies_calls_check'
    when new.input_tokens < 0 then 'replies_input_tokens_check'
    when new.output_tokens < 0 then 'replies_output_tokens_check'
    when is_running <> (new.lease_until is not null) then 'replies_running_has_lease'
    when is_running and new.lease_owner is null then 'replies_running_has_owner'
    when is_running and (new.attempt < 1 or new.started_at is null) then 'replies_running_has_begun'
    when is_under_way <> (new.ended_at is null) then 'replies_ended_has_time'
    when (new.status = 'failed') <> (new.error_code is not null) then 'replies_failed_has_code'
  end;
  if broken is not null then
    raise check_violation using
      message = format('new row for relation "replies" violates check constraint "%s"', broken),
      schema = 'grizz', table = 'replies', constraint = broken;
  end if;
  return new;
end
$$;

create trigger grizz_check_reply before insert or update on grizz.replies
  for each row execute function grizz.check_reply();
alter table grizz.replies
  drop constraint replies_position_check,
  drop constraint replies_status_check,
  drop constraint replies_attempt_check,
  drop constraint replies_calls_check,
  drop constraint replies_input_tokens_check,
  drop constraint replies_output_tokens_check,
  drop constraint replies_running_has_lease,
  drop constraint replies_running_has_owner,
  drop constraint replies_running_has_begun,
  drop constraint replies_ended_has_time,
  drop constraint replies_failed_has_code;

-- The triggers for the older engine leave ours alone: the message that has its position, and updates that say nothing of
-- a zone.
do $$
declare
  history text;
begin
  history := case when exists (
    select from grizz.naive_columns n where n.table_name = 'messages' and n.column_name = 'created_at'
  ) then 'was naive' else '' end;
  execute format(
    'create or replace trigger grizz_place_message before insert on public.messages
      for each row when (new.position is null) execute function grizz.place_message(%L)',
    history
  );
  if exists (
    select from pg_catalog.pg_trigger
    where tgrelid = 'public.conversations'::regclass and tgname = 'grizz_mirror_timezone'
  ) then
    create or replace trigger grizz_mirror_timezone before insert or update of timezone, tz on public.conversations
      for each row execute function grizz.mirror_timezone();
  end if;
end
$$;

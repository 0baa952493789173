-- What a reply was made with is stored with it, as ids, so that it can be explained. The statement that ends a reply takes
-- it along; the one without it stays, because the previous release calls it.

-- Which positions were erased when, so that a reply's prompt can be told from what is left: no text, and no id.
create table grizz.erased_messages (
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  position integer not null,
  erased_at timestamptz not null default clock_timestamp(),
  primary key (conversation_id, position)
);

create function grizz.end_reply(
  p_conversation uuid, p_reply uuid, p_owner text, p_attempt integer,
  p_status text, p_text text, p_error text, p_input integer, p_output integer, p_model text,
  p_lease interval, p_earlier integer, p_metadata jsonb
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
  values (p_reply, p_conversation, null, 'assistant', p_text, p_metadata, place, finished_at);
  update public.conversations set updated_at = finished_at where id = p_conversation;
  return json_build_object(
    'created_at', grizz.rfc3339(finished_at),
    'stored', null,
    'next', case when has_next then grizz.start_next(p_conversation, p_owner, p_lease, p_earlier) end
  );
end
$$;

create or replace function grizz.end_reply(
  p_conversation uuid, p_reply uuid, p_owner text, p_attempt integer,
  p_status text, p_text text, p_error text, p_input integer, p_output integer, p_model text,
  p_lease interval, p_earlier integer
) returns json
language plpgsql
as $$
begin
  return grizz.end_reply(
    p_conversation, p_reply, p_owner, p_attempt, p_status, p_text, p_error, p_input, p_output, p_model, p_lease,
    p_earlier, null::jsonb
  );
end
$$;

-- As before, with what was stored beside the text.
create or replace function grizz.end_known(
  p_conversation uuid, p_reply uuid, p_owner text, p_attempt integer, p_earlier integer
) returns json
language plpgsql
as $$
declare
  mine grizz.replies;
  next_reply grizz.replies;
  said record;
begin
  select r.* into mine from grizz.replies r where r.id = p_reply;
  if not found or mine.conversation_id <> p_conversation or mine.attempt <> p_attempt
    or mine.lease_owner is distinct from p_owner or mine.status in ('queued', 'running') then
    return null;
  end if;
  select m.content, m.metadata into said from public.messages m where m.id = p_reply;
  select r.* into next_reply from grizz.replies r
  where r.conversation_id = p_conversation and r.status = 'running' and r.lease_owner = p_owner;
  return json_build_object(
    'created_at', grizz.rfc3339(mine.ended_at),
    'stored', json_build_object(
      'status', mine.status, 'text', coalesce(said.content, ''), 'metadata', said.metadata,
      'error_code', mine.error_code, 'input_tokens', mine.input_tokens, 'output_tokens', mine.output_tokens
    ),
    'next', case when next_reply.id is not null then grizz.job_of(next_reply, p_earlier) end
  );
end
$$;

-- As before, and the position is kept of what a prompt may have had.
create or replace function grizz.erase_message(p_user uuid, p_conversation uuid, p_message uuid) returns json
language plpgsql
as $$
declare
  gone record;
  erased integer;
  stopped uuid[];
begin
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

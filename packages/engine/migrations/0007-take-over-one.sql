-- One conversation at a time, so that a node can do it in its turn among the conversation's other commits. Takes over
-- what no living node produces: goes on with a new attempt while there are model calls left, else ends it with the text
-- that was saved; then starts what was queued behind it. Null where there is nothing to take. Never waits for a row:
-- what another node or a heartbeat holds at this moment is alive, or comes in the next sweep. An owner that asks again,
-- because the first answer was lost, gets the reply that it took.
create function grizz.take_over_conversation(
  p_conversation uuid, p_owner text, p_lease interval, p_earlier integer, p_calls_max integer
) returns json
language plpgsql
as $$
declare
  late grizz.replies;
  finished_at timestamptz;
  outcome text;
  ended json;
  started json;
begin
  perform from public.conversations c where c.id = p_conversation for no key update skip locked;
  if not found then
    return null;
  end if;
  if exists (select from grizz.replies r where r.conversation_id = p_conversation and r.status = 'running') then
    select r.* into late from grizz.replies r
    where r.conversation_id = p_conversation and r.status = 'running' and r.lease_until < clock_timestamp()
    for update skip locked;
    if not found then
      select r.* into late from grizz.replies r
      where r.conversation_id = p_conversation and r.status = 'running' and r.lease_owner = p_owner;
      return case when found then json_build_object(
        'conversation_id', p_conversation, 'ended', null, 'next', grizz.job_of(late, p_earlier)
      ) end;
    end if;
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
  started := coalesce(started, grizz.start_next(p_conversation, p_owner, p_lease, p_earlier));
  if ended is null and started is null then
    return null;
  end if;
  return json_build_object('conversation_id', p_conversation, 'ended', ended, 'next', started);
end
$$;

-- What the previous release calls.
create or replace function grizz.take_over(
  p_owner text, p_lease interval, p_earlier integer, p_limit integer, p_calls_max integer
) returns setof json
language plpgsql
as $$
declare
  candidate uuid;
  taken json;
begin
  for candidate in
    select r.conversation_id from grizz.replies r
    where r.status in ('queued', 'running')
    group by r.conversation_id
    having bool_and(r.status = 'queued' or r.lease_until < clock_timestamp())
    limit p_limit
  loop
    taken := grizz.take_over_conversation(candidate, p_owner, p_lease, p_earlier, p_calls_max);
    if taken is not null then
      return next taken;
    end if;
  end loop;
end
$$;

-- A new reply to a message that was answered before: only of the newest reply, and only when it has ended. Asked again
-- with the same new id, because the first answer was lost, it gives the same reply, and its job while it is the owner's.
create or replace function grizz.retry_reply(
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
  select r.* into started from grizz.replies r where r.id = p_new_reply and r.message_id = earlier.message_id;
  if not found then
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
  end if;
  return json_build_object(
    'outcome', 'accepted', 'conversation_id', earlier.conversation_id, 'message_id', earlier.message_id,
    'job', case when started.status = 'running' and started.lease_owner = p_owner
      then grizz.job_of(started, p_earlier) end
  );
end
$$;

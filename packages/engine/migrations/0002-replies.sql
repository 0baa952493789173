-- The engine's own state of a reply. Its text is kept here only while it runs; from its end on it is a row of
-- public.messages with the same id.

create table grizz.replies (
  id uuid primary key,
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  -- The message that it answers. No foreign key: where the user erased that message, this row still says that its id was
  -- used, so that a late repeat of the send does not bring the text back.
  message_id uuid not null,
  user_id uuid not null,
  -- Reserved when the message is accepted.
  position integer not null check (position >= 0),
  status text not null check (status in ('queued', 'running', 'completed', 'stopped', 'failed')),
  -- Fences: whoever took the reply over has the higher attempt, and an earlier owner can write nothing.
  attempt integer not null default 0 check (attempt >= 0),
  -- Model calls begun for it, without those that were handed over by a node that shut down.
  calls integer not null default 0 check (calls >= 0),
  -- Who produces it, or produced it last; with the attempt it recognises the owner that saves the same end twice.
  lease_owner text,
  lease_until timestamptz,
  stop_requested_at timestamptz,
  -- Checkpoint while it runs, then empty.
  text text not null default '',
  error_code text,
  input_tokens integer check (input_tokens >= 0),
  output_tokens integer check (output_tokens >= 0),
  model text,
  superseded_by uuid,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz,
  constraint replies_conversation_id_position_key unique (conversation_id, position),
  constraint replies_running_has_lease check ((status = 'running') = (lease_until is not null)),
  constraint replies_running_has_owner check (status <> 'running' or lease_owner is not null),
  constraint replies_running_has_begun check (status <> 'running' or (attempt >= 1 and started_at is not null)),
  constraint replies_ended_has_time check ((status in ('queued', 'running')) = (ended_at is null)),
  constraint replies_failed_has_code check ((status = 'failed') = (error_code is not null))
-- Leaves room for the heartbeat's updates in the row's own page.
) with (fillfactor = 80);

create unique index replies_one_running_key on grizz.replies (conversation_id) where status = 'running';
-- No lease in any index: a heartbeat then touches the row alone.
create index replies_unfinished_idx on grizz.replies (conversation_id, position) where status in ('queued', 'running');
create index replies_message_id_idx on grizz.replies (message_id, position);

-- How many messages were erased from a conversation. Part of every cursor: a reader that missed one gets a snapshot.
create table grizz.erasures (
  conversation_id uuid primary key references public.conversations (id) on delete cascade,
  count integer not null check (count > 0)
);

-- The user's data. Makes the two public tables, or adopts those of the Python engine in place: every step is written
-- so that it does nothing where the table is already as it should be. No row is lost, unknown columns are kept, and the
-- Python engine can go on inserting.

create table if not exists public.conversations (
  id uuid primary key,
  user_id uuid not null,
  title text,
  conv_day date,
  timezone text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null
);

create table if not exists public.messages (
  id uuid primary key,
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  user_id uuid,
  role varchar(20) not null,
  content text not null,
  metadata jsonb,
  position integer not null,
  created_at timestamptz not null default now()
);

-- A Python engine that is running waits here, and goes on with the triggers in place.
lock table public.conversations, public.messages in access exclusive mode;

alter table public.conversations
  add column if not exists title text,
  add column if not exists conv_day date,
  add column if not exists timezone text,
  add column if not exists updated_at timestamptz;

alter table public.messages
  add column if not exists user_id uuid,
  add column if not exists metadata jsonb,
  add column if not exists position integer;

-- Columns that were naive when they were adopted; the triggers for the older engine ask.
create table grizz.naive_columns (table_name name, column_name name, primary key (table_name, column_name));

-- Naive times are UTC.
do $$
declare
  changed record;
begin
  for changed in
    select c.relname as table_name, a.attname as column_name
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_class c on c.oid = a.attrelid
    where a.attrelid in ('public.conversations'::regclass, 'public.messages'::regclass)
      and a.attname in ('created_at', 'updated_at')
      and a.atttypid = 'timestamp'::regtype
      and not a.attisdropped
  loop
    execute format('alter table public.%I alter column %I drop default', changed.table_name, changed.column_name);
    execute format(
      'alter table public.%I alter column %2$I type timestamptz using %2$I at time zone ''UTC''',
      changed.table_name, changed.column_name
    );
    insert into grizz.naive_columns (table_name, column_name) values (changed.table_name, changed.column_name);
  end loop;
end
$$;

alter table public.conversations alter column created_at set default now();
alter table public.messages alter column created_at set default now();

-- varchar to text rewrites nothing; a length limit of the old column would refuse our titles.
do $$
declare
  narrow text;
begin
  for narrow in
    select a.attname from pg_catalog.pg_attribute a
    where a.attrelid = 'public.conversations'::regclass
      and a.attname in ('title', 'timezone') and a.atttypid <> 'text'::regtype and not a.attisdropped
  loop
    execute format('alter table public.conversations alter column %I type text', narrow);
  end loop;
end
$$;

-- Columns that this engine leaves null (its own optional ones) or does not know (and that have no default) accept null.
do $$
declare
  mandatory record;
begin
  for mandatory in
    select c.relname as table_name, a.attname as column_name
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_class c on c.oid = a.attrelid
    where a.attrelid in ('public.conversations'::regclass, 'public.messages'::regclass)
      and a.attnum > 0 and not a.attisdropped and a.attnotnull
      and a.attidentity = '' and a.attgenerated = ''
      and not (c.relname = 'conversations' and a.attname in ('id', 'user_id', 'created_at', 'updated_at'))
      and not (
        c.relname = 'messages'
        and a.attname in ('id', 'conversation_id', 'role', 'content', 'position', 'created_at')
      )
      and (
        not a.atthasdef
        or (c.relname = 'conversations' and a.attname in ('title', 'tz', 'conv_day', 'timezone'))
        or (c.relname = 'messages' and a.attname in ('user_id', 'metadata'))
      )
      and not exists (
        select from pg_catalog.pg_index i
        where i.indrelid = a.attrelid and i.indisprimary and a.attnum = any (i.indkey)
      )
  loop
    execute format('alter table public.%I alter column %I drop not null', mandatory.table_name, mandatory.column_name);
  end loop;
end
$$;

update public.conversations set created_at = now() where created_at is null;
update public.messages set created_at = now() where created_at is null;

update public.conversations c
set updated_at = coalesce((select max(m.created_at) from public.messages m where m.conversation_id = c.id), c.created_at)
where c.updated_at is null;

-- Of two conversations for one day the one with the newest message keeps it.
update public.conversations c
set conv_day = null
from (
  select k.id, row_number() over (
    partition by k.user_id, k.conv_day
    order by (select max(m.created_at) from public.messages m where m.conversation_id = k.id) desc nulls last,
      k.created_at desc, k.id desc
  ) as place
  from public.conversations k
  where k.conv_day is not null
) ranked
where ranked.id = c.id and ranked.place > 1;

update public.messages m
set position = ordered.place
from (
  select k.id, row_number() over (partition by k.conversation_id order by k.created_at, k.id) - 1 as place
  from public.messages k
) ordered
where ordered.id = m.id and m.position is null;

alter table public.conversations
  alter column created_at set not null,
  alter column updated_at set not null;
alter table public.messages
  alter column created_at set not null,
  alter column position set not null;

create unique index if not exists conversations_user_id_conv_day_key on public.conversations (user_id, conv_day);
create index if not exists conversations_user_id_updated_at_idx
  on public.conversations (user_id, updated_at desc, id desc);
-- Serves "the newest N of this conversation".
create unique index if not exists messages_conversation_id_position_key
  on public.messages (conversation_id, position);

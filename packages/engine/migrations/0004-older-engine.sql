-- What lets an engine that does not know our columns go on inserting, so that going back is safe. The functions run as
-- their owner with a fixed search_path: the inserting role needs no right to anything but its own insert.

-- A message without a position gets the conversation's next one, and bumps the conversation, in the transaction of its
-- insert; a second insert at the same time waits for the first one's end.
create function grizz.place_message() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if new.position is not null then
    return new;
  end if;
  perform from public.conversations c where c.id = new.conversation_id for no key update;
  new.position := grizz.next_position(new.conversation_id);
  new.created_at := grizz.as_utc(new.created_at, tg_argv[0]);
  update public.conversations set updated_at = greatest(updated_at, clock_timestamp()) where id = new.conversation_id;
  return new;
end
$$;

-- Where the columns were naive, the old engine sends naive UTC, which PostgreSQL reads in the session's zone: that is
-- taken back here. The column's default, now(), has a zone and stays.
create function grizz.as_utc(t timestamptz, p_history text) returns timestamptz
language sql stable
as $$
  select case
    when p_history = 'was naive' and t <> now() then (t at time zone current_setting('TimeZone')) at time zone 'UTC'
    else t
  end
$$;

-- A conversation without updated_at (it has no default for this reason) comes from an engine that does not know of the
-- one conversation a day. Where the day is taken, its own gets none: a refused insert would be an error that the old
-- engine never had. The lock makes the second of two inserts for a day wait for the first, so that it can see it.
create function grizz.place_conversation() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if new.conv_day is not null then
    perform pg_advisory_xact_lock(hashtextextended('grizz.today ' || new.user_id || ' ' || new.conv_day, 0));
  end if;
  if new.updated_at is not null then
    return new;
  end if;
  new.created_at := grizz.as_utc(new.created_at, tg_argv[0]);
  new.updated_at := coalesce(new.created_at, now());
  if new.conv_day is not null and exists (
    select from public.conversations c where c.user_id = new.user_id and c.conv_day = new.conv_day
  ) then
    new.conv_day := null;
  end if;
  return new;
end
$$;

-- `tz` of the old engine and our `timezone` say the same; the one that was written wins, ours when both were.
create function grizz.mirror_timezone() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT' then
    new.timezone := coalesce(new.timezone, new.tz);
    new.tz := new.timezone;
  elsif new.timezone is distinct from old.timezone then
    new.tz := new.timezone;
  elsif new.tz is distinct from old.tz then
    new.timezone := new.tz;
  end if;
  return new;
end
$$;

do $$
declare
  target text;
  history text;
begin
  foreach target in array array['conversation', 'message'] loop
    history := case when exists (
      select from grizz.naive_columns n where n.table_name = target || 's' and n.column_name = 'created_at'
    ) then 'was naive' else '' end;
    execute format(
      'create trigger grizz_place_%1$s before insert on public.%1$ss for each row execute function grizz.place_%1$s(%2$L)',
      target, history
    );
  end loop;
  if exists (
    select from pg_catalog.pg_attribute
    where attrelid = 'public.conversations'::regclass and attname = 'tz' and not attisdropped
  ) then
    create trigger grizz_mirror_timezone before insert or update on public.conversations
      for each row execute function grizz.mirror_timezone();
    update public.conversations set timezone = tz where timezone is null and tz is not null;
  end if;
end
$$;

-- What was said, by word: one row per message and distinct word, as a B-tree, which every PostgreSQL has and in which a
-- read can stop after so many hits. Words are kept as hashes, so that no text is stored a second time.

create table grizz.message_words (
  user_id uuid not null,
  word bigint not null,
  message_id uuid not null references public.messages (id) on delete cascade,
  conversation_id uuid not null,
  position integer not null,
  primary key (user_id, word, message_id) include (conversation_id, position)
);
create index message_words_message_id_idx on grizz.message_words (message_id);

-- English stems (other languages: their words in lower case), and each two neighbouring characters of Chinese, Japanese
-- and Korean. Bounded, whatever the text is.
create function grizz.words_of(p_text text) returns setof bigint
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  with given as (select left(p_text, 16000) as text),
  found as (
    select unnest(tsvector_to_array(to_tsvector('pg_catalog.english', g.text))) as word from given g
    union
    select substr(c.text, n, 2)
    from (
      select left(regexp_replace(g.text, '[^\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+', ' ', 'g'), 1000) as text
      from given g where g.text ~ '[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]'
    ) c, generate_series(1, length(c.text) - 1) n
    where substr(c.text, n, 2) !~ ' '
  )
  select hashtextextended(f.word, 0) from found f limit 1000
$$;

-- An index that fails costs no message.
create function grizz.index_message() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'UPDATE' then
    delete from grizz.message_words w where w.message_id = new.id;
  end if;
  insert into grizz.message_words (user_id, word, message_id, conversation_id, position)
  select c.user_id, w.word, new.id, new.conversation_id, new.position
  from public.conversations c, grizz.words_of(new.content) w(word)
  where c.id = new.conversation_id and new.role in ('user', 'assistant')
  on conflict do nothing;
  return null;
exception when others then
  raise warning 'message % is not found by its words: %', new.id, sqlerrm;
  return null;
end
$$;
create trigger grizz_index_message after insert or update of content, position on public.messages
  for each row execute function grizz.index_message();

-- How far the messages from before are indexed; without a row there is nothing left to do.
create table grizz.message_words_backlog (only_row boolean primary key default true check (only_row), after_id uuid not null);
insert into grizz.message_words_backlog (after_id)
select '00000000-0000-0000-0000-000000000000' where exists (select from public.messages);

-- Indexes the next messages from before; true while there are more. One node at a time.
create function grizz.index_backlog(p_limit integer) returns boolean
language plpgsql
as $$
declare
  last_id uuid;
  next_id uuid;
begin
  select b.after_id into last_id from grizz.message_words_backlog b for update skip locked;
  if not found then
    return false;
  end if;
  with batch as (
    select m.id, m.conversation_id, m.position, m.role, m.content
    from public.messages m where m.id > last_id order by m.id limit p_limit
    for key share
  ), added as (
    insert into grizz.message_words (user_id, word, message_id, conversation_id, position)
    select c.user_id, w.word, b.id, b.conversation_id, b.position
    from batch b join public.conversations c on c.id = b.conversation_id, grizz.words_of(b.content) w(word)
    where b.role in ('user', 'assistant')
    on conflict do nothing
  )
  select b.id into next_id from batch b order by b.id desc limit 1;
  if next_id is null then
    delete from grizz.message_words_backlog;
    return false;
  end if;
  update grizz.message_words_backlog set after_id = next_id;
  return true;
end
$$;

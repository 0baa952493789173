-- What was said, by its words: one row a message, with an inverted index. A term is half the user and half the word, so
-- that a word's list holds one user's messages, a user's words stand side by side in the index, and no text is stored twice.

-- The order of 0008: the previous release goes on meanwhile, and takes these tables' locks in several orders.
do $$
declare
  began timestamptz := clock_timestamp();
begin
  loop
    begin
      lock table public.conversations in exclusive mode;
      lock table public.messages in access exclusive mode nowait;
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

create table grizz.message_terms (
  message_id uuid primary key references public.messages (id) on delete cascade,
  user_id uuid not null,
  conversation_id uuid not null,
  position integer not null,
  role text not null,
  created_at timestamptz not null,
  terms bigint[] not null
);
create index message_terms_user_id_created_at_idx on grizz.message_terms (user_id, created_at);
-- Entries are gathered and then written in the index's order; what is gathered is read by each search, so it stays small.
create index message_terms_terms_idx on grizz.message_terms using gin (terms)
  with (fastupdate = on, gin_pending_list_limit = 256);

-- Forms of English verbs and nouns that no stemmer brings together, as the stemmer leaves them.
create function grizz.base_form(p_stem text) returns text
language sql immutable
as $$
  select coalesce('{
    "ate":"eat","eaten":"eat","awok":"awak","awoken":"awak","beaten":"beat","becam":"becom","began":"begin",
    "begun":"begin","bent":"bend","bitten":"bite","bled":"bleed","blew":"blow","blown":"blow",
    "broke":"break","broken":"break","brought":"bring","built":"build","burnt":"burn","bought":"buy","caught":"catch",
    "chose":"choos","chosen":"choos","came":"come","crept":"creep","dealt":"deal","dug":"dig","drew":"draw",
    "drawn":"draw","dreamt":"dream","drank":"drink","drunk":"drink","drove":"drive","driven":"drive","fell":"fall",
    "fallen":"fall","fed":"feed","felt":"feel","fought":"fight","found":"find","flew":"fli","flown":"fli",
    "forbad":"forbid","forbidden":"forbid","forgot":"forget","forgotten":"forget","forgav":"forgiv",
    "forgiven":"forgiv","froze":"freez","frozen":"freez","got":"get","gotten":"get","gave":"give","given":"give",
    "went":"go","gone":"go","goe":"go","grew":"grow","grown":"grow","hung":"hang","heard":"hear","hid":"hide",
    "hidden":"hide","held":"hold","kept":"keep","knelt":"kneel","knew":"know","known":"know","laid":"lay",
    "led":"lead","leapt":"leap","learnt":"learn","left":"leav","lent":"lend","lit":"light","lost":"lose","made":"make",
    "meant":"mean","met":"meet","mistook":"mistak","mistaken":"mistak","overcam":"overcom","paid":"pay","proven":"prove",
    "rode":"ride","ridden":"ride","rang":"ring","rung":"ring","rose":"rise","risen":"rise","ran":"run","said":"say",
    "saw":"see","seen":"see","sought":"seek","sold":"sell","sent":"send","sewn":"sew","shook":"shake","shaken":"shake",
    "shone":"shine","shot":"shoot","shown":"show","shrank":"shrink","shrunk":"shrink","sang":"sing","sung":"sing",
    "sank":"sink","sunk":"sink","sat":"sit","slept":"sleep","slid":"slide","spoke":"speak","spoken":"speak",
    "sped":"speed","spent":"spend","spun":"spin","stood":"stand","stole":"steal","stolen":"steal","stuck":"stick",
    "stung":"sting","struck":"strike","swore":"swear","sworn":"swear","swept":"sweep","swam":"swim","swum":"swim",
    "swung":"swing","took":"take","taken":"take","taught":"teach","tore":"tear","torn":"tear","told":"tell",
    "thought":"think","threw":"throw","thrown":"throw","understood":"understand","woke":"wake","woken":"wake",
    "wore":"wear","worn":"wear","wove":"weav","woven":"weav","wept":"weep","won":"win","withdrew":"withdraw",
    "withdrawn":"withdraw","wrote":"write","written":"write",
    "children":"child","men":"man","women":"woman","feet":"foot","teeth":"tooth","mice":"mous","gees":"goos",
    "wive":"wife","knive":"knife","shelv":"shelf","wolv":"wolf"
  }'::jsonb ->> p_stem, p_stem)
$$;

-- The terms of a text, 1,000 at most of its first 16,000 characters. Every text has its English stems, which
-- are the words themselves where they are not English; beside them the stems of the language that its most frequent words
-- are of; characters, and each two neighbours, of scripts that put no space between words. PL/pgSQL: its plans are kept.
create function grizz.terms_of(p_user uuid, p_text text) returns bigint[]
language plpgsql immutable
set search_path = pg_catalog, pg_temp
-- A word of 2,048 bytes or more is none, and not worth a notice.
set client_min_messages = warning
as $$
declare
  given text := left(p_text, 16000);
  words tsvector := to_tsvector('english', given);
  spaceless text;
  pairs text[] := '{}';
begin
  case
    when words @@ 'ich | und | nicht | ist | auch | mich | habe | wir | ein | mein'::tsquery then
      words := words || to_tsvector('german', given);
    when words @@ 'je | les | est | pas | une | dans | avec | suis | mais | vous'::tsquery then
      words := words || to_tsvector('french', given);
    when words @@ 'el | los | pero | muy | con | estoy | porque | tengo | esta | yo'::tsquery then
      words := words || to_tsvector('spanish', given);
    when words @@ 'não | eu | você | uma | muito | meu | minha | estou'::tsquery then
      words := words || to_tsvector('portuguese', given);
    when words @@ 'il | che | sono | della | mio | anch | per | gli | ho'::tsquery then
      words := words || to_tsvector('italian', given);
    when words @@ 'ik | het | een | niet | van | maar | zijn | mijn'::tsquery then
      words := words || to_tsvector('dutch', given);
    when words @@ 'jag | och | inte | är | det | mig'::tsquery then
      words := words || to_tsvector('swedish', given);
    else
  end case;
  if octet_length(given) > length(given) then
    if given ~ '[\u0400-\u052f]' then
      words := words || to_tsvector('russian', given);
    elsif given ~ '[\u0370-\u03ff]' then
      words := words || to_tsvector('greek', given);
    elsif given ~ '[\u0600-\u06ff]' then
      words := words || to_tsvector('arabic', given);
    end if;
    -- Thai, Lao, Burmese, Khmer; Japanese, Chinese, Korean.
    if given ~ '[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]' then
      spaceless := left(
        regexp_replace(given, '[^\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+', ' ', 'g'),
        2000
      );
      pairs := array(
        select distinct c.found
        from generate_series(1, length(spaceless)) n, substr(spaceless, n, 2) pair,
          unnest(array[pair, substr(pair, 1, 1)]) c(found)
        where position(' ' in c.found) = 0 and (length(c.found) = 2 or c.found ~ '[\u3400-\u9fff]')
      );
    end if;
  end if;
  return array(
    select (uuid_hash(p_user)::bigint << 32) | (hashtext(grizz.base_form(w) collate "C")::bigint & 4294967295)
    from unnest(tsvector_to_array(words) || pairs) w limit 1000
  );
end
$$;

-- Of each statement that inserts messages, all of them at once. An index that fails costs no message.
create function grizz.index_messages() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into grizz.message_terms (message_id, user_id, conversation_id, position, role, created_at, terms)
  select a.id, c.user_id, a.conversation_id, a.position, a.role, a.created_at, grizz.terms_of(c.user_id, a.content)
  from added a join public.conversations c on c.id = a.conversation_id
  where a.role in ('user', 'assistant')
  on conflict (message_id) do nothing;
  return null;
exception when others then
  raise warning 'messages are not found by their words: %', sqlerrm;
  return null;
end
$$;
create trigger grizz_index_messages after insert on public.messages
  referencing new table as added for each statement execute function grizz.index_messages();

create function grizz.index_changed_message() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from grizz.message_terms t where t.message_id = new.id;
  insert into grizz.message_terms (message_id, user_id, conversation_id, position, role, created_at, terms)
  select new.id, c.user_id, new.conversation_id, new.position, new.role, new.created_at,
    grizz.terms_of(c.user_id, new.content)
  from public.conversations c where c.id = new.conversation_id and new.role in ('user', 'assistant');
  return null;
exception when others then
  raise warning 'message % is found by the words it had: %', new.id, sqlerrm;
  return null;
end
$$;
create trigger grizz_index_changed_message
  after update of conversation_id, role, content, position, created_at on public.messages
  for each row execute function grizz.index_changed_message();

-- How far the messages from before are indexed; without a row there is nothing left to do.
create table grizz.message_terms_backlog (
  only_row boolean primary key default true check (only_row),
  after_id uuid not null
);
insert into grizz.message_terms_backlog (after_id)
select '00000000-0000-0000-0000-000000000000' where exists (select from public.messages);

-- Indexes the next messages from before; true while there are more. One node at a time.
create function grizz.index_backlog(p_limit integer) returns boolean
language plpgsql
as $$
declare
  last_id uuid;
  next_id uuid;
begin
  select b.after_id into last_id from grizz.message_terms_backlog b for update skip locked;
  if not found then
    return exists (select from grizz.message_terms_backlog);
  end if;
  -- The lock keeps a message from being erased between the look and the insert.
  with batch as (
    select m.id, m.conversation_id, m.position, m.role, m.content, m.created_at
    from public.messages m where m.id > last_id order by m.id limit p_limit
    for key share
  ), added as (
    insert into grizz.message_terms (message_id, user_id, conversation_id, position, role, created_at, terms)
    select b.id, c.user_id, b.conversation_id, b.position, b.role, b.created_at, grizz.terms_of(c.user_id, b.content)
    from batch b join public.conversations c on c.id = b.conversation_id
    where b.role in ('user', 'assistant')
    on conflict (message_id) do nothing
  )
  select b.id into next_id from batch b order by b.id desc limit 1;
  if next_id is null then
    delete from grizz.message_terms_backlog;
    return false;
  end if;
  update grizz.message_terms_backlog set after_id = next_id;
  return true;
end
$$;

-- What was said, by its words: one row a message, with an inverted index. A term is half the user and half the word, so
-- that a word's list holds one user's messages, a user's words stand side by side in the index, and no text is stored twice.
-- It is filled in the background: by a trigger it costs as much as the turn itself.

-- The order of 0008: the previous release goes on meanwhile, and takes these tables' locks in several orders.
do $$
declare
  began timestamptz := clock_timestamp();
begin
  loop
    begin
      lock table public.conversations in exclusive mode;
      lock table public.messages in share row exclusive mode nowait;
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
  -- None of what is neither the user's nor the companion's: the row says that it was gone through.
  terms bigint[] not null
);
-- Up to the highest position that is in it a conversation is indexed.
create index message_terms_conversation_id_position_idx on grizz.message_terms (conversation_id, position);
-- A batch's entries are gathered and then written in the index's order: each search reads all that is gathered.
create index message_terms_terms_idx on grizz.message_terms using gin (terms);

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

-- The words of a text, 1,000 at most of its first 16,000 characters. Every text has its English stems, which
-- are the words themselves where they are not English; beside them the stems of the language that its most frequent words
-- are of; characters, and each two neighbours, of scripts that put no space between words. PL/pgSQL: its plans are kept.
create function grizz.words_of(p_text text) returns text[]
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
  return array(select grizz.base_form(w) from unnest(tsvector_to_array(words) || pairs) w limit 1000);
end
$$;

create function grizz.term_of(p_user uuid, p_stem text) returns bigint
language sql immutable
as $$
  select (uuid_hash(p_user)::bigint << 32) | (hashtext(grizz.base_form(p_stem) collate "C")::bigint & 4294967295)
$$;

create function grizz.terms_of(p_user uuid, p_text text) returns bigint[]
language plpgsql immutable
as $$
begin
  return array(select grizz.term_of(p_user, w) from unnest(grizz.words_of(p_text)) w);
end
$$;

-- A message that is changed is indexed anew, by whoever changes it; one that is not indexed yet will be.
create function grizz.index_changed_message() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update grizz.message_terms t
  set user_id = c.user_id, conversation_id = c.id, position = new.position, role = new.role, created_at = new.created_at,
    terms = case when new.role in ('user', 'assistant') then grizz.terms_of(c.user_id, new.content) else '{}' end
  from public.conversations c
  where t.message_id = new.id and c.id = new.conversation_id;
  return null;
end
$$;
create trigger grizz_index_changed_message
  after update of conversation_id, role, content, position, created_at on public.messages
  for each row execute function grizz.index_changed_message();

-- How far the index is. Every conversation that was last changed before swept_until is in it.
create table grizz.message_terms_sweep (
  is_only boolean primary key default true check (is_only),
  swept_until timestamptz not null,
  -- A look that was taken: whoever changes a conversation later says so with a later time, and whoever began before has a
  -- lower number.
  looked_at timestamptz not null,
  looked_as xid8 not null
);
insert into grizz.message_terms_sweep (swept_until, looked_at, looked_as) values ('-infinity', '-infinity', '0');

-- Indexes the next messages of the conversations that changed; true while there may be more. One node at a time, the
-- others pass by. What was there before this migration, or comes from the older engine, is found in the same way.
create function grizz.index_messages(p_limit integer) returns boolean
-- Only the index's owner may write what is gathered.
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  sweep grizz.message_terms_sweep;
  is_settled boolean;
  added integer;
  reached timestamptz;
begin
  -- The usual case writes nothing.
  if not exists (
    select from public.conversations c
    where c.updated_at >= (select s.swept_until from grizz.message_terms_sweep s)
  ) then
    return false;
  end if;
  select s.* into sweep from grizz.message_terms_sweep s for update skip locked;
  if not found then
    return false;
  end if;
  -- Until all transactions of the last look are over, one of them may still commit a time before it. Ten minutes are
  -- enough: what comes later than that is found when its conversation changes again.
  is_settled := pg_snapshot_xmin(pg_current_snapshot()) > sweep.looked_as
    or sweep.looked_at < clock_timestamp() - interval '10 minutes';
  with batch as (
    select m.id, c.user_id, m.conversation_id, m.position, m.role, m.content, m.created_at, c.updated_at
    from (
      select k.id, k.user_id, k.updated_at from public.conversations k
      where k.updated_at >= sweep.swept_until order by k.updated_at
    ) c cross join lateral (
      select s.* from public.messages s
      where s.conversation_id = c.id
        and s.position > coalesce((
          select t.position from grizz.message_terms t where t.conversation_id = c.id order by t.position desc limit 1
        ), -1)
        -- A reply's position is given before it is said.
        and s.position < coalesce((
          select r.position from grizz.replies r
          where r.conversation_id = c.id and r.status in ('queued', 'running') order by r.position limit 1
        ), 2147483647)
      order by s.position limit p_limit
      -- Who erases or changes one waits until its terms can be erased or changed with it.
      for share
    ) m
    limit p_limit
  ), indexed as (
    insert into grizz.message_terms (message_id, user_id, conversation_id, position, role, created_at, terms)
    select b.id, b.user_id, b.conversation_id, b.position, b.role, b.created_at,
      case when b.role in ('user', 'assistant') then grizz.terms_of(b.user_id, b.content) else '{}' end
    from batch b
  )
  select count(*), max(b.updated_at) into added, reached from batch b;
  if added > 0 then
    perform gin_clean_pending_list('grizz.message_terms_terms_idx');
  end if;
  if added < p_limit then
    reached := 'infinity';
  end if;
  if is_settled then
    update grizz.message_terms_sweep s
    set swept_until = least(reached, s.looked_at), looked_at = now(), looked_as = pg_current_xact_id();
  end if;
  return added = p_limit;
end
$$;

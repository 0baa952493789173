-- What was said, found by people by its words, over the terms that recall reads too.

create index message_terms_user_id_created_at_idx on grizz.message_terms (user_id, created_at);

-- The dictionaries whose stems a text is indexed by, beside its numbers and addresses.
create function grizz.dictionaries_of(p_text text) returns regdictionary[]
language plpgsql immutable
set search_path = pg_catalog, pg_temp
set client_min_messages = warning
as $$
declare
  given text := left(p_text, 16000);
  words tsvector := to_tsvector('english', given);
  known regdictionary[] := '{english_stem}';
begin
  case
    when words @@ 'ich | und | nicht | ist | auch | mich | habe | wir | ein | mein'::tsquery then
      known := known || 'german_stem'::regdictionary;
    when words @@ 'je | les | est | pas | une | dans | avec | suis | mais | vous'::tsquery then
      known := known || 'french_stem'::regdictionary;
    when words @@ 'el | los | pero | muy | con | estoy | porque | tengo | esta | yo'::tsquery then
      known := known || 'spanish_stem'::regdictionary;
    when words @@ 'não | eu | você | uma | muito | meu | minha | estou'::tsquery then
      known := known || 'portuguese_stem'::regdictionary;
    when words @@ 'il | che | sono | della | mio | anch | per | gli | ho'::tsquery then
      known := known || 'italian_stem'::regdictionary;
    when words @@ 'ik | het | een | niet | van | maar | zijn | mijn'::tsquery then
      known := known || 'dutch_stem'::regdictionary;
    when words @@ 'jag | och | inte | är | det | mig'::tsquery then
      known := known || 'swedish_stem'::regdictionary;
    else
  end case;
  if octet_length(given) > length(given) then
    if given ~ '[\u0400-\u052f]' then
      known := known || 'russian_stem'::regdictionary;
    elsif given ~ '[\u0370-\u03ff]' then
      known := known || 'greek_stem'::regdictionary;
    elsif given ~ '[\u0600-\u06ff]' then
      known := known || 'arabic_stem'::regdictionary;
    end if;
  end if;
  return known;
end
$$;

-- What a query asks for: a row for each of its words, of the terms that it may be indexed by, rare ones first as far as
-- their length tells. The rows are padded to one width by repeating a term. Null where nothing is asked for. Each word
-- comes in several cases, under one place.
create function grizz.search_terms(p_user uuid, p_words text[], p_places integer[]) returns bigint[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Thai, Lao, Burmese, Khmer; Japanese, Chinese, Korean: indexed by each two neighbours.
  spaceless constant text := '[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]';
  known regdictionary[];
  wanted bigint[];
begin
  -- A word or two do not tell their language; what the user said lately does.
  known := array(
    select unnest(grizz.dictionaries_of(array_to_string(p_words, ' ')))
    union
    select unnest(grizz.dictionaries_of(left(said.content, 500)))
    from (
      select c.id from public.conversations c where c.user_id = p_user order by c.updated_at desc limit 5
    ) lately cross join lateral (
      select m.content from public.messages m where m.conversation_id = lately.id order by m.position desc limit 6
    ) said
  );
  with spelled as materialized (
    select given.place as word, t.place, t.token, t.tokid in (1, 2, 10, 11) as is_word,
      t.token ~ (spaceless || '{2}|[\u3400-\u9fff]') as is_spaceless
    from unnest(p_words, p_places) given(word, place),
      ts_parse('default', given.word) with ordinality t(tokid, token, place)
    -- Neither blanks, tags and the like, nor what comes again in its parts.
    where t.tokid not in (12, 13, 14, 15, 16, 17, 23)
  ), stemmed as (
    select s.word, s.place, s.token, dictionary, ts_lexize(dictionary, s.token) as stems
    from spelled s, unnest(case when s.is_word then known else '{simple}' end) dictionary
    where not s.is_spaceless
  ), asked as (
    select max(length(s.token)) as size, bool_or(s.stems = '{}') as is_common,
      bool_or(s.stems = '{}' and s.dictionary = 'english_stem'::regdictionary) as is_unknown,
      array_agg(distinct grizz.term_of(p_user, stem)) filter (where stem is not null) as terms
    from stemmed s left join lateral unnest(s.stems) stem on true
    group by s.word, s.place
    union all
    select 2, false, false, array[grizz.term_of(p_user, part)]
    from (
      select distinct substr(run[1], n, 2) as part
      from spelled s, regexp_matches(s.token, spaceless || '+', 'g') run,
        generate_series(1, greatest(length(run[1]) - 1, 1)) n
      where s.is_spaceless
    ) parts
    where length(part) = 2 or part ~ '[\u3400-\u9fff]'
  ), chosen as (
    select a.*, max(cardinality(a.terms)) over () as width
    from asked a
    where a.terms is not null and not a.is_unknown and (not a.is_common or not exists (select from asked b where not b.is_common))
  )
  select array_agg(c.terms || array_fill(c.terms[1], array[c.width - cardinality(c.terms)]) order by c.size desc)
  into wanted from chosen c;
  return wanted;
end
$$;

-- Of the words of some texts those, as they are written, that a query asks for.
create function grizz.matched_words(p_user uuid, p_wanted bigint[], p_texts text[]) returns text[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(
    with texts as materialized (
      select left(content, 16000) as content, grizz.dictionaries_of(content) as known from unnest(p_texts) content
    ), words as materialized (
      select distinct t.token, case when t.tokid in (1, 2, 10, 11) then known else '{simple}' end as known
      from texts, ts_parse('default', content) t
      where t.tokid not in (12, 13, 14, 15, 16, 17, 23)
    )
    select w.token from words w, unnest(w.known) dictionary, unnest(ts_lexize(dictionary, w.token)) stem
    where grizz.term_of(p_user, stem) = any (p_wanted)
    group by w.token
  );
end
$$;

create function grizz.has_each(p_terms bigint[], p_wanted bigint[], p_from integer) returns boolean
language plpgsql immutable
as $$
begin
  for n in p_from .. array_length(p_wanted, 1) loop
    if not p_terms && p_wanted[n:n] then
      return false;
    end if;
  end loop;
  return true;
end
$$;

create function grizz.is_superseded(p_message uuid) returns boolean
language plpgsql stable
as $$
begin
  return exists (select from grizz.replies r where r.id = p_message and r.superseded_by is not null);
end
$$;

-- What the index lacks of the user's newest messages, which is seldom anything: it is filled in the background.
create function grizz.search_unindexed(p_user uuid, p_wanted bigint[]) returns table (message_id uuid, created_at timestamptz)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
  select n.id, n.created_at
  from (
    select m.id, m.created_at, m.content
    from (
      select k.id from public.conversations k
      where k.user_id = p_user and k.updated_at >= (select s.swept_until from grizz.message_terms_sweep s)
      order by k.updated_at desc limit 20
    ) c cross join lateral (
      select s.* from public.messages s
      where s.conversation_id = c.id and s.role in ('user', 'assistant')
        and s.position > coalesce((
          select t.position from grizz.message_terms t where t.conversation_id = c.id order by t.position desc limit 1
        ), -1)
      order by s.position desc limit 50
    ) m
    order by m.created_at desc limit 50
  ) n
  where grizz.has_each(grizz.terms_of(p_user, n.content), p_wanted, 1);
end
$$;

-- The user's newest messages, below a place, that have a term of each row. Of a common word the newest 2,000 messages have
-- a page; for a rare one they are not enough, but its list in the index is short.
create function grizz.search_messages(
  p_user uuid, p_wanted bigint[], p_before timestamptz, p_before_id uuid, p_limit integer
) returns uuid[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  found_ids uuid[];
  are_all boolean;
begin
  if p_wanted is null then
    return '{}';
  end if;
  with newest as materialized (
    select t.message_id, t.created_at, t.terms from grizz.message_terms t
    where t.user_id = p_user and (t.created_at, t.message_id) < (p_before, p_before_id)
    order by t.created_at desc, t.message_id desc limit 2000
  ), hits as (
    select n.message_id, n.created_at from newest n where grizz.has_each(n.terms, p_wanted, 1)
    union all
    select u.message_id, u.created_at from grizz.search_unindexed(p_user, p_wanted) u
    where (u.created_at, u.message_id) < (p_before, p_before_id)
  )
  select array(
      select h.message_id from hits h where not grizz.is_superseded(h.message_id)
      order by h.created_at desc, h.message_id desc limit p_limit
    ),
    (select count(*) from newest) < 2000
  into found_ids, are_all;
  if are_all or cardinality(found_ids) = p_limit then
    return found_ids;
  end if;
  return grizz.search_index(p_user, p_wanted, p_before, p_before_id, p_limit);
end
$$;

-- The same, however far back.
create function grizz.search_index(
  p_user uuid, p_wanted bigint[], p_before timestamptz, p_before_id uuid, p_limit integer
) returns uuid[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Connections have it off; an inverted index has no other scan.
set enable_bitmapscan = on
as $$
declare
  size integer := array_length(p_wanted, 1);
  -- Three of the words are looked up; of a query that has fewer, one of them again, which costs nothing.
  first_word bigint[] := p_wanted[1:1];
  second_word bigint[] := p_wanted[least(2, size):least(2, size)];
  third_word bigint[] := p_wanted[least(3, size):least(3, size)];
begin
  return array(
    select h.message_id
    from (
      select i.message_id, i.created_at
      from (
        select t.message_id, t.created_at from grizz.message_terms t
        where t.terms && first_word and t.terms && second_word and t.terms && third_word
          and grizz.has_each(t.terms, p_wanted, 4)
          -- A term has the user in it: this is the wall once more, and no reason to read all of a user's messages.
          and t.user_id is not distinct from p_user
        union all
        select u.message_id, u.created_at from grizz.search_unindexed(p_user, p_wanted) u
      ) i
      where (i.created_at, i.message_id) < (p_before, p_before_id)
      order by i.created_at desc, i.message_id desc
      -- So that what follows is asked of one after another, and not of all.
      offset 0
    ) h
    where not grizz.is_superseded(h.message_id)
    limit p_limit
  );
end
$$;

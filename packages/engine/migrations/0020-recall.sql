-- What a question asks for among what was said: by its words, by who said it, and by when.

-- Words that are said for one another, or for a kind of what the other is, in any order. Other languages can have theirs.
create table grizz.related_words (
  word text not null,
  related text not null,
  primary key (word, related)
);
insert into grizz.related_words (word, related)
select distinct a.word, b.word
from regexp_split_to_table($words$
child kid son daughter baby toddler
mother mom mum mama
father dad daddy papa
parent mother father mom dad
grandmother grandma granny
grandfather grandpa grandad
sibling brother sister
husband spouse partner wife
boyfriend girlfriend partner
family relative cousin aunt uncle parent
friend buddy pal mate
pet dog cat puppy kitten
dog puppy pup
cat kitten
movie film cinema
show series episode television
book novel story author
music song album band concert
instrument guitar piano violin drum flute
photo picture image photograph
paint painting draw drawing sketch art
job work career profession occupation employer
boss manager
colleague coworker
company business firm
fire layoff sack
school university college class
teacher professor tutor
study learn degree course
exam test
money cash salary income pay
buy purchase shop
sell sale
cost price expensive cheap
home house apartment flat
move relocate
rent lease
city town village
country nation abroad
trip travel journey vacation holiday visit
hotel hostel resort
flight plane airport fly
car vehicle drive truck
bike bicycle cycling
train railway
hike hiking trail walk mountain
camp camping tent
beach sea ocean coast
swim pool
sport game team match football basketball tennis soccer
exercise workout gym fitness
run jog marathon race
yoga meditation
health doctor hospital medical clinic
ill sick illness disease
medicine medication pill
pain hurt injury ache
allergy allergic
diet eat food meal
cook bake recipe kitchen
restaurant cafe diner
breakfast lunch dinner
drink coffee tea beer wine
vegetarian vegan
cake cookie dessert sweet
fruit apple banana orange berry
vegetable tomato carrot potato
garden plant flower
birthday anniversary celebrate party
wedding marry marriage
divorce separate breakup
pregnant pregnancy birth
die death dead funeral
christmas holiday
gift present
clothes dress shirt shoe jacket wear
color red blue green yellow purple
jewelry necklace ring bracelet
phone mobile smartphone
computer laptop pc
game videogame console
hobby interest enjoy pastime
like love enjoy favorite
hate dislike
happy glad joyful excited
sad unhappy depressed upset
afraid scared fear anxious worry nervous
angry mad annoyed
proud pride
tired exhausted sleepy
stress pressure overwhelm
goal plan dream aim ambition
start begin launch open
end finish complete
win winner victory prize award
lose loss
help support assist volunteer
charity donate donation fundraiser
religion church faith god pray
car accident crash
rain weather storm snow sun
war army military
politics election vote
science research scientist
space star planet
nature forest park wildlife
fish fishing
horse ride
big large huge
small little tiny
often frequently regularly
age old young year
name call nickname
$words$, '\n') line, unnest(grizz.words_of(line)) a (word), unnest(grizz.words_of(line)) b (word)
where a.word <> b.word;

-- The days that an English text names, as times in a zone: "yesterday", "two weeks ago", "last Tuesday", "in May", "8 May
-- 2023". A zone that PostgreSQL does not know is read as UTC. Empty where there are none.
create function grizz.days_meant(p_text text, p_asked_at timestamptz, p_zone text) returns tstzmultirange
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  said text := lower(left(p_text, 1000));
  zone text := coalesce(p_zone, 'UTC');
  today date;
  monday date;
  days datemultirange := '{}';
  found text[];
  place integer;
  count integer;
  first_day date;
  dated constant text := '(?:\m(in|last|this|of|since|by|until|during|early|mid|late|around|from|before|after) )?'
    || '(?:\m(\d{1,2})(?:st|nd|rd|th)?(?: of)? )?'
    || '\m(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)'
    || '(uary|ruary|ch|il|e|y|ust|t|tember|ober|ember)?\M\.?'
    || '(?: (\d{1,2})(?:st|nd|rd|th)?\M(?!:))?(?:,? ((?:19|20)\d\d)\M)?';
begin
  begin
    today := (p_asked_at at time zone zone)::date;
  exception when invalid_parameter_value then
    zone := 'UTC';
    today := (p_asked_at at time zone zone)::date;
  end;
  monday := date_trunc('week', today)::date;

  for found in select regexp_matches(said, dated, 'g') loop
    -- Alone, "may" and "march" are words, "Jan", "April" and "June" people.
    continue when (found[4] is null or found[3] in ('mar', 'apr', 'jun'))
      and coalesce(found[1], found[2], found[5], found[6]) is null;
    place := array_position(array['jan','feb','mar','apr','may','jun','jul','aug','sep','oct','nov','dec'], found[3]);
    first_day := make_date(coalesce(found[6]::integer, extract(year from today)::integer), place, 1);
    if found[6] is null and (first_day > today or found[1] = 'last' and first_day = date_trunc('month', today)) then
      first_day := first_day - interval '1 year';
    end if;
    count := coalesce(found[2], found[5])::integer;
    days := days + datemultirange(case
      when count between 1 and extract(day from first_day + interval '1 month' - interval '1 day')
        then daterange(first_day + count - 1, first_day + count)
      else daterange(first_day, (first_day + interval '1 month')::date)
    end);
  end loop;
  said := regexp_replace(said, dated, ' ', 'g');

  for found in select regexp_matches(said, '\m((?:19|20)\d\d)\M', 'g') loop
    days := days + datemultirange(daterange(make_date(found[1]::integer, 1, 1), make_date(found[1]::integer + 1, 1, 1)));
  end loop;

  for found in select regexp_matches(
    said, '\m(\d{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten|a couple of|a few) (day|week|month|year)s? ago\M', 'g'
  ) loop
    count := case
      when found[1] ~ '^\d' then found[1]::integer
      when found[1] = 'a couple of' then 2
      when found[1] = 'a few' then 3
      else coalesce(
        array_position(array['one','two','three','four','five','six','seven','eight','nine','ten'], found[1]), 1)
    end;
    first_day := today - count * ('1 ' || found[2])::interval;
    days := days + datemultirange(case found[2]
      when 'day' then daterange(first_day, first_day + 1)
      when 'week' then daterange(first_day - 3, first_day + 4)
      when 'month' then daterange(first_day - 15, first_day + 16)
      else daterange(date_trunc('year', first_day)::date, (date_trunc('year', first_day) + interval '1 year')::date)
    end);
  end loop;

  for found in select regexp_matches(said, '\m(last|this|past|previous) (week|weekend|month|year)\M', 'g') loop
    count := case found[1] when 'this' then 0 else 1 end;
    days := days + datemultirange(case found[2]
      when 'week' then daterange(monday - 7 * count, monday - 7 * count + 7)
      when 'weekend' then daterange(monday - 7 * count + 5, monday - 7 * count + 7)
      else daterange(
        (date_trunc(found[2], today) - count * ('1 ' || found[2])::interval)::date,
        (date_trunc(found[2], today) + (1 - count) * ('1 ' || found[2])::interval)::date
      )
    end);
  end loop;

  for found in select regexp_matches(
    said, '\m(monday|tuesday|wednesday|thursday|friday|saturday|sunday)\M', 'g'
  ) loop
    place := array_position(array['monday','tuesday','wednesday','thursday','friday','saturday','sunday'], found[1]);
    first_day := today - 1 - (extract(isodow from today)::integer - 1 - place + 7) % 7;
    days := days + datemultirange(daterange(first_day, first_day + 1));
  end loop;

  if said ~ '\mday before yesterday\M' then
    days := days + datemultirange(daterange(today - 2, today - 1));
  elsif said ~ '\m(yesterday|last night)\M' then
    days := days + datemultirange(daterange(today - 1, today));
  end if;
  if said ~ '\m(recently|lately|the other day)\M' then
    days := days + datemultirange(daterange(today - 14, today + 1));
  end if;
  return coalesce((
    select range_agg(tstzrange(lower(d)::timestamp at time zone zone, upper(d)::timestamp at time zone zone))
    from unnest(days) d
  ), '{}');
end
$$;

-- The user's messages that a text asks for, best first: never one of a conversation from a position on, because that is
-- before the reader already, nor a reply that another one replaced. None where no word is rare and no day is named.
create function grizz.recall(
  p_user uuid, p_text text, p_conversation uuid, p_before integer, p_asked_at timestamptz, p_zone text, p_limit integer
) returns table (
  message_id uuid, conversation_id uuid, "position" integer, role text, content text, created_at timestamptz, score real
)
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Connections have it off; the index has no other way to be read.
set enable_bitmapscan = on
-- Planning each question anew is a quarter of a small search.
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  begun text := regexp_replace(
    left(p_text, 1000), '\m(do|can|could|would|will) you (please |still |even )?(remember|recall|know|tell|remind|say)\M',
    ' ', 'gi'
  );
  days tstzmultirange := grizz.days_meant(p_text, p_asked_at, p_zone);
  -- Of a long text the longest words: they are the rarest. None that only greets, or says by its own time which days.
  asked text[] := array(
    select w from (select distinct unnest(grizz.words_of(p_text)) as w) d
    where w <> all ('{hi,hello,hey,thank,ok,okay,yes,yeah,yep,nope,pleas,sorri,bye,wow,oh,haha,lol}')
      and (days = '{}' or w <> all (
        '{yesterday,night,week,weekend,month,year,day,ago,last,past,previous,recent,late,monday,tuesday,wednesday,thursday,friday,saturday,sunday}'
      ))
    order by length(w) desc, w limit 64
  );
  -- A word with more hits than this says nothing.
  hits_max integer := least(1000, 8000 / greatest(1, cardinality(asked)));
  is_of_user boolean := begun ~* '\m(i|me|my|mine|myself)\M';
  is_of_companion boolean := begun ~* '\m(you|your|yours|yourself)\M';
  meant text := case when is_of_user and not is_of_companion then 'user'
    when is_of_companion and not is_of_user then 'assistant' end;
  asks_when boolean := begun ~* '\m(when|what (date|day|month|year|time)|which (date|day|month|year)|how long)\M';
  times bigint[] := case when asks_when then grizz.terms_of(p_user, 'yesterday today tonight tomorrow ago last next recently '
    || 'since weekend week month year january february march april june july august september october november december '
    || 'monday tuesday wednesday thursday friday saturday sunday') end;
  total double precision;
begin
  if asked = '{}' and days = '{}' then
    return;
  end if;
  -- How many messages the user has, about.
  select coalesce(sum(k.size), 0) * case when count(*) < 100 then 1 else (
      select count(*) from public.conversations c where c.user_id = p_user
    ) / 100.0 end
  into total
  from (
    select (
      select 1 + t.position from grizz.message_terms t where t.conversation_id = c.id order by t.position desc limit 1
    ) as size
    from public.conversations c where c.user_id = p_user order by c.updated_at desc, c.id desc limit 100
  ) k;
  return query
  with wanted as (
    select a.n, grizz.term_of(p_user, a.word) as term, 100 as share from unnest(asked) with ordinality a (word, n)
    union all
    select a.n, grizz.term_of(p_user, r.related), 35
    from unnest(asked) with ordinality a (word, n) join grizz.related_words r on r.word = a.word
  ), hit as materialized (
    select w.n, w.term, w.share, h.conversation_id, h.position, h.role
    from wanted w cross join lateral (
      select t.conversation_id, t.position, t.role from grizz.message_terms t
      -- The user in a form that no index has: a planner that takes users for small would go through all that one said.
      where t.terms @> array[w.term] and (t.user_id = p_user) is true
        and not coalesce(t.conversation_id = p_conversation and t.position >= p_before, false)
      limit hits_max + 1
    ) h
  ), known as (
    select h.n, h.term, count(*) as hits,
      -- How often the word itself was said.
      coalesce(max(count(*)) filter (where h.share = 100) over (partition by h.n), 0) as own_hits
    from hit h group by h.n, h.term, h.share
  ), chosen as (
    select k.n, k.term, k.hits,
      round(1000 * ln(1 + greatest(0, total - k.own_hits + 0.5) / (k.own_hits + 0.5)))::bigint as weight
    from (
      select *, sum(m.hits) over (order by m.hits, m.n, m.term) as reached
      from known m where m.hits <= hits_max and m.own_hits <= least(hits_max, greatest(3, total / 3))
    ) k
    where k.reached <= 2000 or k.reached = k.hits
  ), rare as (
    select sum(c.weight) as weight from (select distinct d.n, d.weight from chosen d) c
    having exists (select from chosen d where d.hits <= greatest(3, total / 5))
  ), pooled as (
    -- A hit counts for its neighbours, less, and more for what follows: an answer has not the words of its question.
    -- Whole numbers, whose sum is the same in whatever order.
    select h.conversation_id, h.position + d.distance as position,
      max(c.weight * h.share * d.share * case when h.role <> meant then 9 else 10 end) as score
    from chosen c join hit h on h.n = c.n and h.term = c.term cross join (
      values (-3, 3), (-2, 4), (-1, 6), (0, 10), (1, 8), (2, 6), (3, 4)
    ) d (distance, share)
    where exists (select from rare)
    group by h.conversation_id, h.position + d.distance, h.n
  ), best as (
    select p.conversation_id, p.position, sum(p.score)::double precision / 10000 as score
    from pooled p group by p.conversation_id, p.position
    order by sum(p.score) desc, p.conversation_id, p.position limit 300
  ), of_days as (
    select t.conversation_id, t.position from grizz.message_terms t
    where days <> '{}' and upper(days) - lower(days) <= interval '32 days' and t.user_id = p_user
      and t.created_at >= lower(days) and t.created_at < upper(days) and days @> t.created_at
    order by t.created_at desc, t.message_id limit 300
  ), candidate as (
    select a.conversation_id, a.position, sum(a.score) as score
    from (select * from best union all select *, 0 from of_days) a group by a.conversation_id, a.position
  ), judged as (
    select m.id, m.conversation_id, m.position, m.role::text as role, m.content, m.created_at,
      (c.score + coalesce((select r.weight from rare r), 1000) * case
        when days = '{}' then 0 when days @> m.created_at then 0.3
        when days && tstzrange(m.created_at - interval '7 days', m.created_at, '[]') then 0.15 else 0
      end)
      * case when m.role <> meant then 0.7 else 1 end
      * case when right(rtrim(m.content), 1) = '?' then 0.8 else 1 end
      * case when asks_when and exists (
        select from grizz.message_terms t where t.message_id = m.id and t.terms && times
      ) then 1.15 else 1 end
      / (0.9 + 0.1 * least(2, length(m.content) / 150.0)) as score
    from candidate c
      join public.conversations o on o.id = c.conversation_id and o.user_id = p_user
      join public.messages m on m.conversation_id = o.id and m.position = c.position
    where m.role in ('user', 'assistant') and m.content <> ''
      and not coalesce(m.conversation_id = p_conversation and m.position >= p_before, false)
      and not exists (
        select from grizz.replies r
        where r.conversation_id = m.conversation_id and r.position = m.position and r.superseded_by is not null
      )
  )
  select j.id, j.conversation_id, j.position, j.role, j.content, j.created_at, j.score::real
  from judged j order by j.score desc, j.created_at desc, j.id
  limit p_limit;
end
$$;

-- Which days a question names, in more than one language: one function a language, which grizz.days_meant asks.

alter function grizz.days_meant(text, timestamptz, text) rename to english_days_meant;

-- Days as German names them, seen from p_today.
create function grizz.german_days_meant(p_text text, p_today date) returns datemultirange
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  said text := lower(left(p_text, 1000));
  monday date := date_trunc('week', p_today)::date;
  days datemultirange := '{}';
  found text[];
  place integer;
  count integer;
  first_day date;
begin
  for found in select regexp_matches(
    said,
    '\m(?:(\d{1,2})\.|(im|seit|bis|vor|nach|anfang|mitte|ende|letzten|diesen|vorigen)) '
      || '(januar|jänner|februar|märz|april|mai|juni|juli|august|september|oktober|november|dezember)\M(?: ((?:19|20)\d\d)\M)?',
    'g'
  ) loop
    place := array_position(
      array['jan','feb','mär','apr','mai','jun','jul','aug','sep','okt','nov','dez'], replace(left(found[3], 3), 'jän', 'jan')
    );
    first_day := make_date(coalesce(found[4]::integer, extract(year from p_today)::integer), place, 1);
    if found[4] is null
      and (first_day > p_today or found[2] in ('letzten', 'vorigen') and first_day = date_trunc('month', p_today))
    then
      first_day := first_day - interval '1 year';
    end if;
    count := found[1]::integer;
    days := days + datemultirange(case
      when count between 1 and extract(day from first_day + interval '1 month' - interval '1 day')
        then daterange(first_day + count - 1, first_day + count)
      else daterange(first_day, (first_day + interval '1 month')::date)
    end);
  end loop;

  for found in select regexp_matches(
    said,
    '\mvor (\d{1,3}|einem|einer|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|ein paar|einigen) (tag|woche|monat|jahr)(?:e|n|en)?\M',
    'g'
  ) loop
    count := case
      when found[1] ~ '^\d' then found[1]::integer
      when found[1] in ('ein paar', 'einigen') then 3
      else coalesce(array_position(array['zwei','drei','vier','fünf','sechs','sieben','acht','neun','zehn'], found[1]) + 1, 1)
    end;
    days := days + datemultirange(case found[2]
      when 'tag' then daterange(p_today - count, p_today - count + 1)
      when 'woche' then daterange(p_today - 7 * count - 3, p_today - 7 * count + 4)
      when 'monat' then daterange(
        (p_today - count * interval '1 month')::date - 15, (p_today - count * interval '1 month')::date + 16
      )
      else daterange(
        date_trunc('year', p_today - count * interval '1 year')::date,
        date_trunc('year', p_today - (count - 1) * interval '1 year')::date
      )
    end);
  end loop;

  for found in select regexp_matches(
    said, '\m(letzt|vorig|vergangen|dies)(?:e|en|er|es|em) (woche|wochenende|monat|jahr)(?:s|es)?\M', 'g'
  ) loop
    count := case found[1] when 'dies' then 0 else 1 end;
    days := days + datemultirange(case found[2]
      when 'woche' then daterange(monday - 7 * count, monday - 7 * count + 7)
      when 'wochenende' then daterange(monday - 7 * count + 5, monday - 7 * count + 7)
      when 'monat' then daterange(
        (date_trunc('month', p_today) - count * interval '1 month')::date,
        (date_trunc('month', p_today) + (1 - count) * interval '1 month')::date
      )
      else daterange(
        (date_trunc('year', p_today) - count * interval '1 year')::date,
        (date_trunc('year', p_today) + (1 - count) * interval '1 year')::date
      )
    end);
  end loop;

  for found in select regexp_matches(
    said, '\m(montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag)\M', 'g'
  ) loop
    place := array_position(
      array['montag','dienstag','mittwoch','donnerstag','freitag','samstag','sonntag'],
      replace(found[1], 'sonnabend', 'samstag')
    );
    first_day := p_today - 1 - (extract(isodow from p_today)::integer - 1 - place + 7) % 7;
    days := days + datemultirange(daterange(first_day, first_day + 1));
  end loop;

  if said ~ '\mvorgestern\M' then
    days := days + datemultirange(daterange(p_today - 2, p_today - 1));
  end if;
  if said ~ '\m(gestern|letzte nacht)\M' then
    days := days + datemultirange(daterange(p_today - 1, p_today));
  end if;
  if said ~ '\m(neulich|kürzlich)\M' then
    days := days + datemultirange(daterange(p_today - 14, p_today + 1));
  end if;
  return days;
end
$$;

-- The days that a text names, in a zone; UTC where PostgreSQL does not know it. A text is of one language: English reads "8. Mai
-- 2023" as a year.
create function grizz.days_meant(p_text text, p_asked_at timestamptz, p_zone text) returns tstzmultirange
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  zone text := grizz.known_zone(p_zone);
  days datemultirange := grizz.german_days_meant(p_text, (p_asked_at at time zone zone)::date);
begin
  if days = '{}' then
    return grizz.english_days_meant(p_text, p_asked_at, zone);
  end if;
  return (
    select range_agg(tstzrange(lower(d)::timestamp at time zone zone, upper(d)::timestamp at time zone zone))
    from unnest(days) d
  );
end
$$;

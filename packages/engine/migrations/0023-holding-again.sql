-- As before, unless what is gone was corrected itself: then what it had corrected is superseded by that correction.
create or replace function grizz.hold_again() returns trigger
language plpgsql
as $$
begin
  update grizz.memories m
  set (superseded_by, valid_to) = (
    select n.id, n.valid_from from grizz.memories n where n.id = old.superseded_by
  )
  where m.superseded_by = old.id;
  return null;
end
$$;

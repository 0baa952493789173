-- What was said, by its meaning: of each message that is found by its words, a vector that a model made of it. The table
-- needs pgvector, which many servers lack, so it is made when embeddings are first switched on; without it nothing here runs.

-- The model in use, and what its one worker needs to know.
create table grizz.embedding_model (
  is_only boolean primary key default true check (is_only),
  name text not null,
  -- Null until its first answer.
  dimension integer,
  -- Another name or dimension makes another generation: vectors of an earlier one are not compared, and are made again.
  generation integer not null default 1,
  -- Up to which message those from before have their row; null when all have.
  filled_until uuid default '00000000-0000-0000-0000-000000000000',
  lease_owner uuid,
  lease_until timestamptz
);

-- Users with so many vectors that theirs have an index.
create table grizz.vector_indexes (
  user_id uuid not null,
  generation integer not null,
  is_ready boolean not null default false,
  primary key (user_id, generation)
);

-- The schema in which pgvector is; null where it is not, or is too old to have half-precision vectors (0.7).
create function grizz.vector_schema() returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select n.nspname::text
  from pg_extension e join pg_namespace n on n.oid = e.extnamespace
  where e.extname = 'vector'
    and exists (select from pg_type t where t.typnamespace = n.oid and t.typname = 'halfvec')
$$;

-- Each message that is indexed by its words waits for its vector.
create function grizz.await_vectors() returns trigger
language plpgsql
as $$
begin
  insert into grizz.message_vectors (message_id, user_id)
  select a.message_id, a.user_id from added a on conflict (message_id) do nothing;
  return null;
end
$$;

-- So does one whose text changed.
create function grizz.await_vector_again() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update grizz.message_vectors v set generation = 0, embedding = null where v.message_id = new.message_id;
  return null;
end
$$;

-- Makes the table, and pgvector an extension of the database where it is not. Null when both are there, else why not.
create function grizz.make_vectors() returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from pg_available_extensions a where a.name = 'vector') then
    return 'this PostgreSQL does not have pgvector';
  end if;
  if not exists (select from pg_extension e where e.extname = 'vector') then
    begin
      execute format('create extension vector schema %I', case
        when exists (select from pg_namespace n where n.nspname = 'extensions') then 'extensions' else 'public' end);
    exception when others then
      return 'the extension vector cannot be made: ' || sqlerrm;
    end;
  end if;
  if grizz.vector_schema() is null then
    return 'the extension vector is older than 0.7';
  end if;
  if to_regclass('grizz.message_vectors') is not null then
    return null;
  end if;
  begin
  execute format(
    'create table grizz.message_vectors (
      message_id uuid primary key references grizz.message_terms (message_id) on delete cascade,
      user_id uuid not null,
      generation integer not null default 0,
      embedding %I.halfvec
    )',
    grizz.vector_schema()
  );
  -- In the row, where a search reads it: out of line each would be looked up by itself.
  alter table grizz.message_vectors alter column embedding set storage plain;
  create index message_vectors_generation_idx on grizz.message_vectors (generation);
  create index message_vectors_user_id_generation_idx on grizz.message_vectors (user_id, generation);
  create trigger grizz_await_vectors after insert on grizz.message_terms
    referencing new table as added for each statement execute function grizz.await_vectors();
  create trigger grizz_await_vector_again after update of terms on grizz.message_terms
    for each row when (old.terms is distinct from new.terms) execute function grizz.await_vector_again();
  perform grizz.apply_access();
  exception when insufficient_privilege then
    return 'this role may not make the table: ' || sqlerrm;
  end;
  return null;
end
$$;

-- From now on vectors are this model's.
create function grizz.use_embedding_model(p_model text) returns void
language sql
as $$
  insert into grizz.embedding_model as e (name) values (p_model)
  on conflict (is_only) do update
    set name = excluded.name, dimension = null, generation = e.generation + 1, lease_until = null
    where e.name <> excluded.name
$$;

-- The next texts that are to have a vector, for the one worker that has the lease; null for whoever has not, and for a
-- node whose model is not the one in use. What is blank, or said by a user who paused the memory, gets none.
create function grizz.claim_embeddings(p_owner uuid, p_lease interval, p_model text, p_limit integer, p_length integer)
returns json
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  model grizz.embedding_model;
  filled uuid;
  texts json;
  is_more boolean;
begin
  select e.* into model from grizz.embedding_model e for update skip locked;
  if not found or model.name <> p_model or (model.lease_owner <> p_owner and model.lease_until > clock_timestamp()) then
    return null;
  end if;
  if model.filled_until is not null then
    with next as (
      select t.message_id, t.user_id from grizz.message_terms t
      where t.message_id > model.filled_until order by t.message_id limit 1000
      -- Whoever erases one of them does not wait for the others.
      for key share skip locked
    ), waiting as (
      insert into grizz.message_vectors (message_id, user_id)
      select n.message_id, n.user_id from next n on conflict (message_id) do nothing
    )
    select n.message_id into filled from next n order by n.message_id desc limit 1;
    model.filled_until := filled;
  end if;
  with next as materialized (
    select v.message_id, v.user_id from grizz.message_vectors v
    where v.generation < model.generation order by v.generation limit p_limit
    for update skip locked
  ), said as materialized (
    select n.message_id, m.content,
      m.content ~ '\S' and m.role in ('user', 'assistant')
        and not exists (select from grizz.memory_settings s where s.user_id = n.user_id and s.is_paused) as is_wanted
    from next n join public.messages m on m.id = n.message_id
  ), unwanted as (
    update grizz.message_vectors v set generation = model.generation, embedding = null
    from said s where s.message_id = v.message_id and not s.is_wanted
  )
  select json_agg(json_build_object('id', s.message_id, 'text', left(s.content, p_length), 'hash', md5(s.content)))
  into texts from said s where s.is_wanted;
  is_more := model.filled_until is not null
    or exists (select from grizz.message_vectors v where v.generation < model.generation);
  -- Whoever has nothing to do leaves the work to whoever comes next.
  update grizz.embedding_model
  set lease_owner = p_owner, filled_until = model.filled_until,
    lease_until = case when texts is not null or is_more then clock_timestamp() + p_lease end;
  return json_build_object('generation', model.generation, 'texts', coalesce(texts, '[]'), 'is_more', is_more);
end
$$;

-- Stores vectors, none where the text is empty, unless the work is another node's by now, the model changed, or the text did.
create function grizz.save_embeddings(
  p_owner uuid, p_generation integer, p_dimension integer, p_ids uuid[], p_hashes text[], p_vectors text[]
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  model grizz.embedding_model;
begin
  select e.* into model from grizz.embedding_model e for update;
  if not found or model.generation <> p_generation or model.lease_owner is distinct from p_owner then
    return;
  end if;
  if model.dimension <> p_dimension then
    -- The same name, and yet another model.
    model.generation := model.generation + 1;
  end if;
  update grizz.embedding_model
  set generation = model.generation, dimension = coalesce(p_dimension, model.dimension);
  execute format(
    'with mine as (
      select v.message_id from grizz.message_vectors v where v.message_id = any ($2)
      -- Whoever erases one of them is not waited for.
      for update skip locked
    )
    update grizz.message_vectors v set generation = $1, embedding = nullif(n.vector, '''')::%I.halfvec
    from unnest($2, $3, $4) n (id, hash, vector)
    where v.message_id = n.id and v.message_id in (select k.message_id from mine k)
      and exists (select from public.messages m where m.id = n.id and md5(m.content) = n.hash)',
    grizz.vector_schema()
  ) using model.generation, p_ids, p_hashes, p_vectors;
end
$$;

-- The user's messages that are nearer to a vector than chance would have it, nearest first: how far beyond the nearest
-- that so many vectors without any meaning would have, in standard deviations. Up to p_exact vectors each is compared.
create function grizz.alike(p_user uuid, p_generation integer, p_dimension integer, p_vector text, p_exact integer)
returns table (message_id uuid, excess real)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  place text := grizz.vector_schema();
  is_indexed boolean;
  compared bigint;
  usual float8;
  spread float8;
  ids uuid[];
  likenesses float8[];
begin
  if place is null or to_regclass('grizz.message_vectors') is null then
    return;
  end if;
  is_indexed := exists (
    select from grizz.vector_indexes x where x.user_id = p_user and x.generation = p_generation and x.is_ready
  );
  if is_indexed then
    perform set_config('hnsw.ef_search', '100', true);
    execute format(
      'with nearest as materialized (
        select v.message_id, -(v.embedding::%1$I.halfvec(%2$s) operator(%1$I.<#>) $1::%1$I.halfvec(%2$s)) as likeness
        from grizz.message_vectors v
        where v.user_id = %3$L and v.generation = %4$s and v.embedding is not null
        order by v.embedding::%1$I.halfvec(%2$s) operator(%1$I.<#>) $1::%1$I.halfvec(%2$s) limit 20
      ), sample as materialized (
        select -(v.embedding operator(%1$I.<#>) $1::%1$I.halfvec) as likeness from grizz.message_vectors v
        where v.user_id = $2 and v.generation = $3 and v.embedding is not null limit 1000
      )
      select $4, (select avg(s.likeness) from sample s), (select stddev_samp(s.likeness) from sample s),
        array(select n.message_id from nearest n order by n.likeness desc),
        array(select n.likeness from nearest n order by n.likeness desc)',
      place, p_dimension, p_user, p_generation
    ) into compared, usual, spread, ids, likenesses using p_vector, p_user, p_generation, p_exact;
  else
    execute format(
      'with compared as materialized (
        select v.message_id, -(v.embedding operator(%1$I.<#>) $1::%1$I.halfvec) as likeness from grizz.message_vectors v
        where v.user_id = $2 and v.generation = $3 and v.embedding is not null limit $4
      ), nearest as materialized (
        select c.message_id, c.likeness from compared c order by c.likeness desc limit 20
      )
      select (select count(*) from compared), (select avg(c.likeness) from compared c),
        (select stddev_samp(c.likeness) from compared c),
        array(select n.message_id from nearest n order by n.likeness desc),
        array(select n.likeness from nearest n order by n.likeness desc)',
      place
    ) into compared, usual, spread, ids, likenesses using p_vector, p_user, p_generation, p_exact;
    if compared = p_exact then
      insert into grizz.vector_indexes (user_id, generation) values (p_user, p_generation) on conflict do nothing;
    end if;
  end if;
  -- Of a few nothing can be said, nor where all are alike.
  if compared < 20 or spread < 1e-6 then
    return;
  end if;
  return query
  select n.id, ((n.likeness - usual) / spread - sqrt(2 * ln(compared)))::real
  from unnest(ids, likenesses) n (id, likeness)
  where (n.likeness - usual) / spread > sqrt(2 * ln(compared));
end
$$;

-- What is to be done about indexes: one statement, which cannot run in a transaction. Null where there is nothing to do.
-- An index that is no longer of use goes first; one that a broken attempt left behind goes before it is made.
create function grizz.next_vector_index() returns json
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  model grizz.embedding_model;
  wanted grizz.vector_indexes;
  index_name text;
begin
  select e.* into model from grizz.embedding_model e;
  select x.* into wanted from grizz.vector_indexes x
  where x.generation < model.generation or (not x.is_ready and x.generation = model.generation)
  order by x.generation limit 1;
  if not found or grizz.vector_schema() is null then
    return null;
  end if;
  index_name := format('message_vectors_%s_%s', wanted.generation, replace(wanted.user_id::text, '-', ''));
  return json_build_object(
    'user_id', wanted.user_id,
    'generation', wanted.generation,
    'drop', format('drop index concurrently if exists grizz.%I', index_name),
    'create', case when wanted.generation = model.generation then format(
      'create index concurrently %1$I on grizz.message_vectors
        using hnsw ((embedding::%2$I.halfvec(%3$s)) %2$I.halfvec_ip_ops)
        where user_id = %4$L and generation = %5$s and embedding is not null',
      index_name, grizz.vector_schema(), model.dimension, wanted.user_id, wanted.generation
    ) end
  );
end
$$;

-- Row-level security guards against other clients of the database (Supabase's REST API); the engine's own wall is
-- user_id in every statement. The tables' owner passes it, so the engine works as the role that migrates.

alter table public.conversations enable row level security;
alter table public.messages enable row level security;

-- For every role, by the claims alone, so that they install, and hold, where Supabase's roles and its auth schema do not
-- exist (yet). What a role may do at all is decided by the grants below. Only SELECT has a policy.
create policy grizz_own_conversations on public.conversations for select to public
  using (user_id = (select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid));
create policy grizz_own_messages on public.messages for select to public
  using (exists (
    select from public.conversations c
    where c.id = messages.conversation_id
      and c.user_id = (select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid)
  ));

do $$
begin
  create role grizz_engine nologin;
exception
  -- Made before (roles belong to the whole server), or not ours to make: whoever may makes it later.
  when duplicate_object or unique_violation or insufficient_privilege then null;
end
$$;

-- The grants, for the roles that exist now. Safe to repeat; every migrate run does so, because roles appear later and
-- because default privileges (Supabase sets them) hand new tables to anon and authenticated.
create function grizz.apply_access() returns void
language plpgsql
as $$
declare
  outsider text;
begin
  revoke all on schema grizz from public;
  revoke all on all tables in schema grizz from public;
  revoke all on all functions in schema grizz from public;
  revoke all on public.conversations, public.messages from public;
  foreach outsider in array array['anon', 'authenticated'] loop
    continue when not exists (select from pg_catalog.pg_roles where rolname = outsider);
    execute format('revoke all on schema grizz from %I', outsider);
    execute format('revoke all on all tables in schema grizz from %I', outsider);
    execute format('revoke all on all sequences in schema grizz from %I', outsider);
    execute format('revoke all on all functions in schema grizz from %I', outsider);
    execute format('revoke all on public.conversations, public.messages from %I', outsider);
  end loop;
  if exists (select from pg_catalog.pg_roles where rolname = 'authenticated') then
    grant select on public.conversations, public.messages to authenticated;
    -- Policies that were there before are permissive, and would add up with ours; this one they cannot widen.
    if not exists (
      select from pg_catalog.pg_policy
      where polrelid = 'public.conversations'::regclass and polname = 'grizz_only_own_conversations'
    ) then
      create policy grizz_only_own_conversations on public.conversations as restrictive for select to authenticated
        using (user_id = (select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid));
      create policy grizz_only_own_messages on public.messages as restrictive for select to authenticated
        using (exists (select from public.conversations c where c.id = messages.conversation_id));
    end if;
  end if;
  if exists (select from pg_catalog.pg_roles where rolname = 'grizz_engine') then
    grant usage on schema public, grizz to grizz_engine;
    grant select, insert, update, delete on public.conversations, public.messages to grizz_engine;
    grant select, insert, update, delete on all tables in schema grizz to grizz_engine;
    grant usage on all sequences in schema grizz to grizz_engine;
    grant execute on all functions in schema grizz to grizz_engine;
    if not exists (
      select from pg_catalog.pg_policy
      where polrelid = 'public.conversations'::regclass and polname = 'grizz_engine_conversations'
    ) then
      create policy grizz_engine_conversations on public.conversations to grizz_engine using (true) with check (true);
      create policy grizz_engine_messages on public.messages to grizz_engine using (true) with check (true);
    end if;
  end if;
end
$$;

/**
 * A block that makes the roles that every Supabase project has. Roles belong to the whole server, so another suite may
 * have made them, or be making them now.
 */
export const makeSupabaseRoles = ["anon", "authenticated"]
  .map(
    (role) => `do $$ begin
      create role ${role} nologin;
    exception when duplicate_object or unique_violation then null;
    end $$;`,
  )
  .join("\n")

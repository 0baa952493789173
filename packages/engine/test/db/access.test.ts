import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import type { Database, Session } from "../../src/db/database.ts"
import { migrate } from "../../src/db/migrate.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { TestConversation } from "../support/database-conversation.ts"
import { databaseKinds, type OpenDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"
import { makeSupabaseRoles } from "../support/supabase-roles.ts"

describe.each(databaseKinds)("other clients of $name", (kind) => {
  describe.skipIf(kind.missing !== null)("see and change", () => {
    let opened: OpenDatabase
    let stores: Stores
    let mine: TestConversation
    let theirs: TestConversation

    beforeAll(async () => {
      opened = await kind.openEmpty()
      stores = createStores(opened.database, newId)
      // What Supabase's projects have, and worse: every new table of every schema is handed out.
      await opened.database.session((session) =>
        session.script(`${makeSupabaseRoles}
          alter default privileges grant all on tables to anon, authenticated;
          alter default privileges grant all on functions to anon, authenticated;
          alter default privileges grant all on sequences to anon, authenticated;
          alter default privileges grant usage on schemas to anon, authenticated;
          alter default privileges in schema public grant all on tables to anon, authenticated;`),
      )
      await migrate(opened.database)
      mine = await TestConversation.create(stores)
      theirs = await TestConversation.create(stores)
      await mine.say("my question", "my answer")
      await theirs.say("their question", "their answer")
    })
    afterAll(() => opened.close())

    const as = <T>(role: string, claims: string | null, work: (session: Session) => Promise<T>): Promise<T> =>
      opened.database.session(async (session) => {
        if (claims !== null) await sql(session, "select set_config('request.jwt.claims', $1, false)", [claims])
        await session.script(`set role ${role}`)
        return work(session)
      })
    const claimsOf = (sub: string) => JSON.stringify({ sub, role: "authenticated" })
    const contents = async (session: Session) =>
      (await sql<{ content: string }>(session, "select content from public.messages order by content")).map(
        ({ content }) => content,
      )

    test("a signed-in user sees its own rows, and only those", async () => {
      await as("authenticated", claimsOf(mine.userId), async (session) => {
        expect(await contents(session)).toEqual(["my answer", "my question"])
        const conversations = await sql(session, "select id::text as id from public.conversations")
        expect(conversations).toEqual([{ id: mine.id }])
        const foreign = "select id from public.messages where conversation_id = $1::uuid"
        expect(await sql(session, foreign, [theirs.id])).toEqual([])
      })
    })

    test.each([
      ["no claims", null],
      ["empty claims", ""],
      ["claims without a user", JSON.stringify({ role: "authenticated" })],
      ["another user", claimsOf(newId())],
    ])("%s see nothing", async (_, claims) => {
      expect(await as("authenticated", claims, contents)).toEqual([])
    })

    test.each(["not json", JSON.stringify({ sub: "not-a-uuid" })])(
      "forged claims %s are an error, never rows",
      async (claims) => {
        await expect(as("authenticated", claims, contents)).rejects.toThrow(/invalid input syntax/)
      },
    )

    test("a policy that somebody else added does not widen what is seen", async () => {
      await opened.database.session(async (session) => {
        await session.script(
          "create policy everyone_c on public.conversations for select to authenticated using (true)",
        )
        await session.script("create policy everyone_m on public.messages for select to authenticated using (true)")
      })
      expect(await as("authenticated", claimsOf(newId()), contents)).toEqual([])
      await opened.database.session(async (session) => {
        await session.script(
          "drop policy everyone_c on public.conversations; drop policy everyone_m on public.messages",
        )
      })
    })

    const writes = () => [
      `insert into public.conversations (id, user_id, updated_at) values (gen_random_uuid(), '${mine.userId}', now())`,
      `insert into public.messages (id, conversation_id, role, content) values (gen_random_uuid(), '${mine.id}', 'user', 'x')`,
      `update public.conversations set title = 'x' where id = '${mine.id}'`,
      `update public.messages set content = 'x' where conversation_id = '${mine.id}'`,
      `delete from public.messages where conversation_id = '${mine.id}'`,
      `delete from public.conversations where id = '${mine.id}'`,
      "truncate public.messages",
    ]

    test.each(["authenticated", "anon"])("%s writes nothing, not even its own", async (role) => {
      for (const statement of writes()) {
        const refused = as(role, claimsOf(mine.userId), (session) => session.script(statement))
        await expect(refused, statement).rejects.toThrow(/permission denied/)
      }
      expect(await mine.history()).toEqual(["0 my question", "1 my answer"])
    })

    test("anon sees nothing at all", async () => {
      await expect(as("anon", claimsOf(mine.userId), contents)).rejects.toThrow(/permission denied/)
    })

    test.each(["authenticated", "anon"])(
      "%s cannot reach the engine's schema, its tables or functions",
      async (role) => {
        const reads = [
          "select * from grizz.replies",
          "select * from grizz.migrations",
          "select * from grizz.naive_columns",
          `select grizz.next_position('${theirs.id}')`,
          "select grizz.apply_access()",
        ]
        for (const statement of reads) {
          const refused = as(role, claimsOf(mine.userId), (session) => session.script(statement))
          await expect(refused, statement).rejects.toThrow(/permission denied for schema grizz/)
        }
        const granted = `select c.relname as name from pg_class c where c.relnamespace = 'grizz'::regnamespace
        and c.relkind in ('r', 'S', 'v') and has_table_privilege($1, c.oid, 'select,insert,update,delete')
        union all select p.proname from pg_proc p where p.pronamespace = 'grizz'::regnamespace
        and has_function_privilege($1, p.oid, 'execute')`
        expect(await sql(opened.database, granted, [role])).toEqual([])
      },
    )

    test("whoever is granted the engine's tables by mistake sees no row of them, and writes none", async () => {
      await stores.memories.addNote(mine.userId, { id: newId(), text: "Likes honey", isPinned: false })
      await stores.memories.setPaused(theirs.userId, true)
      await stores.memories.setPaused(theirs.userId, false)
      while (await stores.messageIndex.indexNext());
      await opened.database.session((session) =>
        session.script(
          "grant usage on schema grizz to authenticated; grant all on all tables in schema grizz to authenticated",
        ),
      )
      const tables = await sql<{ name: string }>(
        opened.database,
        "select oid::regclass::text as name from pg_class where relnamespace = 'grizz'::regnamespace and relkind in ('r', 'p')",
      )
      const count = async (of: Pick<Session, "query">, name: string) =>
        (await sql<{ count: number }>(of, `select count(*)::integer as count from ${name}`))[0]!.count
      const filled: string[] = []
      await as("authenticated", claimsOf(mine.userId), async (session) => {
        for (const { name } of tables) expect(await count(session, name), name).toBe(0)
        const write = `insert into grizz.memory_settings (user_id, is_paused) values ('${newId()}', true)`
        await expect(session.script(write)).rejects.toThrow(/row-level security/)
      })
      for (const { name } of tables) if ((await count(opened.database, name)) > 0) filled.push(name)
      const memory = ["memories", "memory_settings", "memory_pauses", "message_terms", "replies"]
      expect(filled).toEqual(expect.arrayContaining(memory.map((name) => `grizz.${name}`)))
      await migrate(opened.database)
    })

    test("the role grizz_engine can do the engine's whole work", async () => {
      await as("grizz_engine", null, async (session) => {
        const outside = () => Promise.reject(new Error("not in this session"))
        const query: Database["query"] = (statement, parameters) => session.query(statement, parameters)
        const database: Database = { query, session: outside, ping: outside, close: outside }
        const engine = createStores(database, newId)
        const conversation = await TestConversation.create(engine)
        await conversation.say("as another role", "it works")
        await conversation.start("once more")
        const words = [["works"]]
        const { found, matched } = await engine.search.find(conversation.userId, { words, limit: 5 })
        expect([found.map(({ message }) => message.content), matched]).toEqual([["it works"], ["works"]])
        const note = { id: newId(), text: "Likes honey", isPinned: true }
        await engine.memories.addNote(conversation.userId, note)
        await engine.memories.setPaused(conversation.userId, true)
        await engine.memories.setPaused(conversation.userId, false)
        const occasion = { conversationId: conversation.id, position: 2, window: 1 }
        const limits = { quotes: 5, quoteLength: 100, totalLength: 1000 }
        expect(await engine.memories.recollect(occasion, limits)).toMatchObject({ memories: [{ id: note.id }] })
        expect(await engine.memories.forget(conversation.userId, note.id)).toBe(true)
        expect(await engine.messageIndex.indexNext()).toBe(false)
        await engine.derivations.schedule(0)
        expect(await engine.derivations.claim(newId(), 60)).not.toBeNull()
        expect(await engine.replies.lateConversations()).toEqual([])
        expect(await engine.replies.takeOver(conversation.id, "node-b", 10, 1)).toBeNull()
        expect(await engine.replies.view(theirs.userId, theirs.id, null)).toMatchObject({ newest: { message: 0 } })
        expect(await engine.conversations.delete(conversation.userId, conversation.id)).toBe(true)
      })
    })

    test("roles that appear later get their rights at the next migrate run, and others' are taken back", async () => {
      await opened.database.session((session) =>
        session.script(`revoke all on public.conversations, public.messages from authenticated;
          grant all on public.messages to anon; grant usage on schema grizz to anon; grant all on grizz.replies to anon`),
      )
      await expect(as("authenticated", claimsOf(mine.userId), contents)).rejects.toThrow(/permission denied/)
      await migrate(opened.database)
      expect(await as("authenticated", claimsOf(mine.userId), contents)).toHaveLength(2)
      await expect(as("anon", null, contents)).rejects.toThrow(/permission denied/)
      await expect(as("anon", null, (session) => session.script("select * from grizz.replies"))).rejects.toThrow(
        /permission denied/,
      )
    })
  })
})

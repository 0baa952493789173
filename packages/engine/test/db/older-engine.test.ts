import { Client } from "pg"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { migrate } from "../../src/db/migrate.ts"
import type { PostgresDatabase } from "../../src/db/postgres-database.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { createOldTables, OldEngine, oldSchemas } from "../support/database-adoption.ts"
import { completed, TestConversation } from "../support/database-conversation.ts"
import { createServerDatabase, missingServer, openServerDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"

const suite = missingServer === null ? "" : `: ${missingServer}`

describe.skipIf(missingServer !== null)(`the Python engine beside this one, on server PostgreSQL${suite}`, () => {
  const schema = oldSchemas[0]!
  const old = new OldEngine(schema)
  let name: { url: string; drop: () => Promise<void> }
  let database: PostgresDatabase
  let stores: Stores
  const clients: Client[] = []

  beforeAll(async () => {
    name = await createServerDatabase()
    database = openServerDatabase(name.url)
    stores = createStores(database, newId)
    await createOldTables(database, schema)
    await migrate(database)
  })
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.end()))
    await database.close()
    await name.drop()
  })

  /** A connection of the old engine, in a transaction of its own. */
  const begin = async (zone = "UTC"): Promise<Client> => {
    const client = new Client(name.url)
    clients.push(client)
    await client.connect()
    await client.query(`set timezone = '${zone}'`)
    await client.query("begin")
    return client
  }
  /** Resolves when `client` waits for a lock: an event that only the server can tell. */
  const untilWaiting = async (client: Client): Promise<void> => {
    const pid = (client as unknown as { processID: number }).processID
    const waiting = "select 1 as one from pg_stat_activity where pid = $1::integer and wait_event_type = 'Lock'"
    while ((await sql(database, waiting, [pid])).length === 0);
  }

  test("two of its transactions that insert into one conversation get positions one after the other", async () => {
    const conversation = await TestConversation.create(stores)
    const say = (content: string) =>
      old.message({ id: newId(), conversationId: conversation.id, userId: null, role: "user", content })
    const [one, two] = [await begin(), await begin()]
    await one.query(say("one"))
    const waiting = two.query(say("two"))
    await untilWaiting(two)
    await one.query(say("one more"))
    await one.query("commit")
    await waiting
    await two.query("commit")
    expect(await conversation.history()).toEqual(["0 one", "1 one more", "2 two"])
  })

  test("its message does not take the position that a running reply has reserved", async () => {
    const conversation = await TestConversation.create(stores)
    const job = await conversation.start("asked here")
    const client = await begin()
    await client.query(
      old.message({ id: newId(), conversationId: conversation.id, userId: null, role: "user", content: "from Python" }),
    )
    await client.query("commit")
    await conversation.end(job, completed("answered"))
    expect(await conversation.history()).toEqual(["0 asked here", "1 answered", "2 from Python"])
  })

  test("an end that waits for its transaction comes after it, also in time", async () => {
    const conversation = await TestConversation.create(stores)
    const job = await conversation.start("asked here")
    const client = await begin()
    const said = { conversationId: conversation.id, userId: null, role: "user" }
    await client.query(old.message({ ...said, id: newId(), content: "from Python" }))
    const ending = conversation.end(job, completed("answered"))
    const waiting = "select 1 as one from pg_stat_activity where wait_event_type = 'Lock' and query like '%end_reply%'"
    while ((await sql(database, waiting)).length === 0);
    await client.query(old.message({ ...said, id: newId(), content: "once more" }))
    const { rows } = await client.query<{ now: Date }>("select clock_timestamp() as now")
    await client.query("commit")
    const ended = await ending
    expect(Date.parse(ended!.end.message.createdAt)).toBeGreaterThanOrEqual(rows[0]!.now.getTime())
    const found = await stores.conversations.find(conversation.userId, conversation.id)
    expect(found?.updatedAt).toBe(ended?.end.message.createdAt)
  })

  test("of its two racing conversations for a day both are stored, and one has the day", async () => {
    const userId = newId()
    const make = () => old.conversation({ id: newId(), userId, day: "2026-02-02", zone: "UTC" })
    const [one, two] = [await begin(), await begin()]
    await one.query(make())
    const waiting = two.query(make())
    await untilWaiting(two)
    const ours = stores.conversations.today(userId, "2026-02-02", "UTC")
    await one.query("commit")
    await waiting
    await two.query("commit")
    const all = await stores.conversations.list(userId, { limit: 10 })
    expect(new Set(all.map(({ day }) => day))).toEqual(new Set(["2026-02-02", null]))
    expect(all).toHaveLength(2)
    expect((await ours).id).toBe(all.find(({ day }) => day !== null)?.id)
  })

  test("its naive times are UTC whatever the session's zone, and its defaults are the time of the insert", async () => {
    const client = await begin("America/New_York")
    const [id, userId] = [newId(), newId()]
    await client.query(old.conversation({ id, userId, day: "2026-03-03", zone: "UTC", at: "2026-03-03T20:00:00" }))
    const said = { conversationId: id, userId, role: "user", content: "hello" }
    await client.query(old.message({ ...said, id: newId(), at: "2026-03-03T20:00:01" }))
    await client.query(old.message({ ...said, id: newId() }))
    await client.query("commit")
    const [explicit, byDefault] = (await stores.messages.page(userId, id, { limit: 5, superseded: false }))!
    expect(explicit?.createdAt).toBe("2026-03-03T20:00:01.000000Z")
    expect(Math.abs(Date.parse(byDefault!.createdAt) - Date.now())).toBeLessThan(60_000)
    expect((await stores.conversations.find(userId, id))?.createdAt).toBe("2026-03-03T20:00:00.000000Z")
  })

  test("a zone that either engine writes is read by the other", async () => {
    const userId = newId()
    const { id } = await stores.conversations.today(userId, "2026-04-04", "Asia/Tokyo")
    const tz = async () =>
      (await sql<{ tz: string }>(database, "select tz from public.conversations where id = $1::uuid", [id]))[0]?.tz
    expect(await tz()).toBe("Asia/Tokyo")
    await sql(database, "update public.conversations set tz = 'Africa/Cairo' where id = $1::uuid", [id])
    expect((await stores.conversations.find(userId, id))?.timezone).toBe("Africa/Cairo")
    await sql(database, "update public.conversations set timezone = 'Asia/Seoul' where id = $1::uuid", [id])
    expect(await tz()).toBe("Asia/Seoul")
  })
})

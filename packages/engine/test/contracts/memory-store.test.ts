import { beforeAll, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import type { Database } from "../../src/db/database.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { completed, TestConversation } from "../support/database-conversation.ts"
import { sql } from "../support/database-sql.ts"
import { describeDatabases } from "../support/describe-databases.ts"

const limits = { quotes: 10, quoteLength: 100, totalLength: 10_000 }
const everything = { limit: 200, superseded: true }

describeDatabases("memory store", (database) => {
  let stores: Stores
  beforeAll(() => {
    stores = createStores(database(), newId)
  })

  const note = (userId: string, text: string) => stores.memories.addNote(userId, { id: newId(), text, isPinned: true })

  test("a note comes back as it was given, and holds", async () => {
    const userId = newId()
    const added = await note(userId, "Likes honey 🍯, not 100% sure")
    expect(added).toMatchObject({
      kind: "note",
      isPinned: true,
      day: null,
      sources: [],
      validTo: null,
      supersededBy: null,
    })
    expect(await stores.memories.list(userId, everything)).toEqual([added])
  })

  test("what is pinned is remembered, however much was learned since", async () => {
    const userId = newId()
    const { id } = await stores.conversations.create(userId, null)
    await note(userId, "Allergic to nuts")
    await sql(
      database(),
      `insert into grizz.memories (id, user_id, kind, text)
        select gen_random_uuid(), $1::uuid, 'fact', 'fact ' || n from generate_series(1, 600) n`,
      [userId],
    )
    const { memories } = await stores.memories.recollect({ conversationId: id, position: 0, window: 1 }, limits)
    expect(memories.map(({ text }) => text)).toContain("Allergic to nuts")
    expect(memories).toHaveLength(31)
  })

  test("of what is remembered comes first what is pinned, the newest, and then what shares words with the question", async () => {
    const userId = newId()
    const known = [
      "The badger is called Otto",
      "Keeps bees",
      ...Array.from({ length: 40 }, (_, n) => `Likes number ${n}`),
    ]
    for (const text of known) {
      await stores.memories.addNote(userId, { id: newId(), text, isPinned: false })
    }
    await note(userId, "Allergic to nuts")
    await note(userId, "Says du")
    const conversation = await TestConversation.create(stores, userId)
    const job = await conversation.start("What do I call the badger, whatever number he likes?")
    const asked = { conversationId: conversation.id, position: job.message!.position, window: 1 }
    const { memories } = await stores.memories.recollect(asked, limits)
    expect(memories.map(({ text }) => text).slice(0, 4)).toEqual([
      "Says du",
      "Allergic to nuts",
      "The badger is called Otto",
      "Likes number 39",
    ])
    expect(memories.map(({ isPinned }) => isPinned).slice(0, 3)).toEqual([true, true, false])
    expect(memories).toHaveLength(32)
  })

  test("of very many sources the first are named, and all are counted", async () => {
    const { userId, conversation, messageId, memoryId } = await derivedFact(database(), stores, "I keep bees")
    for (let turn = 0; turn < 12; turn++) await conversation.say("And bees", "I see.")
    await sql(
      database(),
      `insert into grizz.memory_sources (memory_id, message_id)
        select $1::uuid, m.id from public.messages m where m.conversation_id = $2::uuid on conflict do nothing`,
      [memoryId, conversation.id],
    )
    const [memory] = await stores.memories.list(userId, everything)
    expect(memory!.sourceCount).toBe(26)
    expect(memory!.sources).toHaveLength(20)
    expect(memory!.sources[0]).toMatchObject({ messageId })
  })

  test("a page neither skips nor repeats a memory of the same microsecond", async () => {
    const userId = newId()
    const ids: string[] = []
    for (let index = 0; index < 5; index++) ids.push((await note(userId, `note ${index}`)).id)
    await sql(
      database(),
      "update grizz.memories set created_at = '2026-01-01T00:00:00.123456Z' where user_id = $1::uuid",
      [userId],
    )
    const seen: string[] = []
    for (let before: { createdAt: string; id: string } | undefined; ; ) {
      const page = await stores.memories.list(userId, { limit: 2, before, superseded: false })
      if (page.length === 0) break
      seen.push(...page.map(({ id }) => id))
      before = page.at(-1)
    }
    expect(seen).toEqual(ids.toSorted().toReversed())
  })

  test("text is found in whatever case, and a wildcard is a letter like any other", async () => {
    const userId = newId()
    const added = await note(userId, "Moved to Östersund, 100% happy")
    const find = async (text: string) =>
      (await stores.memories.list(userId, { ...everything, text })).map(({ id }) => id)
    expect(await find("MOVED TO Öster")).toEqual([added.id])
    expect(await find("0%")).toEqual([added.id])
    expect(await find("M%d")).toEqual([])
    expect(await find("& | ! :* '")).toEqual([])
  })

  test("a correction supersedes, with the same sources, and what was corrected stays to be seen", async () => {
    const { userId, messageId, memoryId } = await derivedFact(database(), stores, "Lives in Bern")
    const change = { id: newId(), text: "Lives in Basel", isPinned: null }
    const corrected = await stores.memories.correct(userId, memoryId, change)
    expect(corrected).toMatchObject({ id: change.id, kind: "fact", text: "Lives in Basel", sources: [{ messageId }] })
    const [now, old] = await stores.memories.list(userId, everything)
    expect(now).toEqual(corrected)
    expect(old).toMatchObject({ id: memoryId, text: "Lives in Bern", supersededBy: change.id, validTo: now!.validFrom })
    expect(await stores.memories.list(userId, { limit: 5, superseded: false })).toEqual([corrected])
    expect(await stores.memories.correct(userId, memoryId, { ...change, id: newId(), text: "x" })).toBe("superseded")
  })

  test("of two corrections at once one supersedes", async () => {
    const userId = newId()
    const { id } = await note(userId, "Has a cat")
    const change = (text: string) => stores.memories.correct(userId, id, { id: newId(), text, isPinned: null })
    const outcomes = await Promise.all([change("Has a dog"), change("Has a bear")])
    expect(outcomes.filter((outcome) => outcome === "superseded")).toHaveLength(1)
    expect(await stores.memories.list(userId, { limit: 5, superseded: false })).toHaveLength(1)
  })

  test("a change of the pin alone makes no other memory", async () => {
    const userId = newId()
    const added = await note(userId, "Has a cat")
    const unpinned = await stores.memories.correct(userId, added.id, {
      id: newId(),
      text: "Has a cat",
      isPinned: false,
    })
    expect(unpinned).toEqual({ ...added, isPinned: false })
    expect(await stores.memories.list(userId, everything)).toHaveLength(1)
  })

  test("forgetting takes along what was superseded, and nothing else", async () => {
    const userId = newId()
    const kept = await note(userId, "kept")
    let { id } = await note(userId, "first")
    for (const text of ["second", "third"]) {
      const next = { id: newId(), text, isPinned: null }
      await stores.memories.correct(userId, id, next)
      id = next.id
    }
    expect(await stores.memories.forget(userId, id)).toBe(true)
    expect(await stores.memories.forget(userId, id)).toBe(false)
    expect(await stores.memories.list(userId, everything)).toEqual([kept])
  })

  test("erasing a source forgets what was derived from it, though it has other sources", async () => {
    const { userId, conversation, messageId, memoryId, replyId } = await derivedFact(
      database(),
      stores,
      "Lives in Bern",
    )
    await sql(database(), "insert into grizz.memory_sources (memory_id, message_id) values ($1::uuid, $2::uuid)", [
      memoryId,
      replyId,
    ])
    await stores.memories.correct(userId, memoryId, { id: newId(), text: "Lives in Basel", isPinned: null })
    await stores.replies.erase(userId, conversation.id, messageId)
    expect(await stores.memories.list(userId, everything)).toEqual([])
    expect(
      await sql(database(), "select memory_id from grizz.memory_sources where message_id = $1::uuid", [replyId]),
    ).toEqual([])
  })

  test("what was corrected holds again once the message that corrected it is erased", async () => {
    const first = await derivedFact(database(), stores, "Lives in Bern")
    const second = await derivedFact(database(), stores, "Lives in Basel", first.userId)
    await sql(database(), "update grizz.memories set superseded_by = $2::uuid, valid_to = now() where id = $1::uuid", [
      first.memoryId,
      second.memoryId,
    ])
    await stores.replies.erase(second.userId, second.conversation.id, second.messageId)
    const [left, ...others] = await stores.memories.list(first.userId, { limit: 5, superseded: false })
    expect(others).toEqual([])
    expect(left).toMatchObject({ id: first.memoryId, supersededBy: null, validTo: null })
  })

  test("what was corrected twice does not hold again when the message of the first correction is erased", async () => {
    const first = await derivedFact(database(), stores, "Lives in Bern")
    const second = await derivedFact(database(), stores, "Lives in Basel", first.userId)
    const third = await derivedFact(database(), stores, "Lives in Chur", first.userId)
    const supersede = "update grizz.memories set superseded_by = $2::uuid, valid_to = now() where id = $1::uuid"
    await sql(database(), supersede, [first.memoryId, second.memoryId])
    await sql(database(), supersede, [second.memoryId, third.memoryId])
    await stores.replies.erase(second.userId, second.conversation.id, second.messageId)
    const [now, old, ...others] = await stores.memories.list(first.userId, everything)
    expect(others).toEqual([])
    expect(now).toMatchObject({ id: third.memoryId, supersededBy: null })
    expect(old).toMatchObject({ id: first.memoryId, supersededBy: third.memoryId, validTo: now!.validFrom })
    await stores.replies.erase(third.userId, third.conversation.id, third.messageId)
    const left = await stores.memories.list(first.userId, everything)
    expect(left).toMatchObject([{ id: first.memoryId, supersededBy: null, validTo: null }])
  })

  test("deleting a conversation forgets what was derived from it", async () => {
    const { userId, conversation } = await derivedFact(database(), stores, "Lives in Bern")
    const kept = await note(userId, "kept")
    await stores.conversations.delete(userId, conversation.id)
    expect(await stores.memories.list(userId, everything)).toEqual([kept])
  })

  test("another user's memory is as absent as a missing one", async () => {
    const owner = newId()
    const stranger = newId()
    const added = await note(owner, "secret")
    for (const id of [added.id, newId()]) {
      expect(await stores.memories.correct(stranger, id, { id: newId(), text: "mine", isPinned: null })).toBeNull()
      expect(await stores.memories.forget(stranger, id)).toBe(false)
    }
    expect(await stores.memories.list(stranger, everything)).toEqual([])
    expect(await stores.memories.list(owner, everything)).toEqual([added])
  })

  test("nobody has paused who did not say so, and a pause is one user's", async () => {
    const [one, other] = [newId(), newId()]
    expect(await stores.memories.isPaused(one)).toBe(false)
    await stores.memories.setPaused(one, true)
    await stores.memories.setPaused(one, true)
    expect([await stores.memories.isPaused(one), await stores.memories.isPaused(other)]).toEqual([true, false])
    for (const isPaused of [false, true, false, true, false]) await stores.memories.setPaused(one, isPaused)
    expect(await stores.memories.isPaused(one)).toBe(false)
  })
})

/** A turn, and a fact with its user message as the source. */
async function derivedFact(database: Database, stores: Stores, text: string, userId = newId()) {
  const conversation = await TestConversation.create(stores, userId)
  const job = await conversation.start(text)
  await conversation.end(job, completed("I see."))
  const memoryId = newId()
  await sql(
    database,
    "insert into grizz.memories (id, user_id, kind, text, version) values ($1::uuid, $2::uuid, 'fact', $3, 'test')",
    [memoryId, userId, text],
  )
  await sql(database, "insert into grizz.memory_sources (memory_id, message_id) values ($1::uuid, $2::uuid)", [
    memoryId,
    job.message!.id,
  ])
  return { userId, conversation, messageId: job.message!.id, replyId: job.reply.id, memoryId }
}

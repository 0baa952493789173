import { beforeAll, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { completed, TestConversation } from "../support/database-conversation.ts"
import { sql } from "../support/database-sql.ts"
import { describeDatabases } from "../support/describe-databases.ts"

describeDatabases("reply store, whether there is anything to recollect,", (database) => {
  let stores: Stores
  beforeAll(() => {
    stores = createStores(database(), newId)
  })

  test("nothing of a user without memories in the only conversation, whoever hands the reply out", async () => {
    const conversation = await TestConversation.create(stores)
    const first = await conversation.start("first")
    await conversation.enqueue("second")
    expect(first.recollects).toBe(false)
    const ended = await conversation.end(first, completed("answer"))
    expect(ended?.next?.recollects).toBe(false)
    const expire = "update grizz.replies set lease_until = now() - interval '1 second' where status = 'running'"
    await sql(database(), expire)
    const taken = await stores.replies.takeOver(conversation.id, "node-b", 10, 3)
    expect(taken?.next).toMatchObject({ reply: { attempt: 2 }, recollects: false })
  })

  test("something with a memory, but nothing while it is paused", async () => {
    const conversation = await TestConversation.create(stores)
    const { userId } = conversation
    const other = await TestConversation.create(stores)
    await stores.memories.addNote(userId, { id: newId(), text: "Likes honey", isPinned: false })
    const first = await conversation.start("first")
    expect(first.recollects).toBe(true)
    expect((await other.say("question", "answer")).recollects).toBe(false)
    await stores.memories.setPaused(userId, true)
    await conversation.enqueue("second")
    const ended = await conversation.end(first, completed("answer"))
    expect(ended?.next?.recollects).toBe(false)
    await stores.memories.setPaused(userId, false)
    await conversation.end(ended!.next!, completed("answer"))
    expect((await conversation.say("third", "answer")).recollects).toBe(true)
  })

  test("something once there is more than the window holds", async () => {
    const conversation = await TestConversation.create(stores)
    const said = async () => (await conversation.say("question", "answer")).recollects
    for (let turn = 0; turn < 5; turn++) expect(await said()).toBe(false)
    expect(await said()).toBe(true)
    await stores.memories.setPaused(conversation.userId, true)
    expect(await said()).toBe(false)
  })

  test("something once there is another conversation, also for the reply that waited", async () => {
    const conversation = await TestConversation.create(stores)
    const first = await conversation.start("first")
    await conversation.enqueue("second")
    expect(first.recollects).toBe(false)
    await TestConversation.create(stores, conversation.userId)
    const ended = await conversation.end(first, completed("answer"))
    expect(ended?.next?.recollects).toBe(true)
  })
})

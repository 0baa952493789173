import { randomUUID } from "node:crypto"
import type { MemoryResource, MessagePage, Turn } from "@grizz/protocol"
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest"
import { readConfig } from "../../src/core/config.ts"
import { explain } from "../../src/explain.ts"
import { sql } from "../support/database-sql.ts"
import { describeDatabases } from "../support/describe-databases.ts"
import { patient, startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"

const { chat } = readConfig({}, "start")

describeDatabases("what a reply was made with", (database) => {
  let engine: TestEngine
  let user: TestUser
  let conversationId: string
  let asked: string[]

  beforeAll(async () => {
    const script = (request: { messages: readonly { content: string }[] }) => {
      asked = request.messages.map(({ content }) => content)
      return [{ text: "I see." }, { finish: "stop" as const }]
    }
    engine = await startTestEngine({
      database: database(),
      script,
      env: { CONTEXT_MESSAGES: "4" },
      recollectionMaxMs: patient,
    })
  })
  afterAll(() => engine.close())
  beforeEach(async () => {
    user = await engine.user()
    conversationId = await user.today()
  })

  async function say(content: string): Promise<Turn> {
    const path = `/conversations/${conversationId}/messages`
    return (await user.request<Turn>("POST", path, { id: randomUUID(), content })).body
  }
  const remember = async (text: string) => (await user.request<MemoryResource>("POST", "/memories", { text })).body
  const erase = (id: string) => user.request("DELETE", `/conversations/${conversationId}/messages/${id}`)
  const explained = (replyId: string) => explain(database(), replyId, { ...chat, contextMessages: 4 })

  test("is said by its metadata, at its end and in history, and the memories in it by their ids", async () => {
    const first = await say("one")
    const context = { persona: expect.any(String) as string, messages: 1, memories: [], quotes: [] }
    expect(first.reply.metadata).toEqual({ context })
    expect(first.message.metadata).toBeNull()
    const memories = [await remember("Likes honey"), await remember("Has a bear")].map(({ id }) => id)
    await say("two")
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), "three")
    const { message } = await wire.next("reply.ended")
    expect(message.metadata).toEqual({ context: { ...context, messages: 4, memories } })
    const history = await user.request<MessagePage>("GET", `/conversations/${conversationId}/messages`)
    expect(history.body.data.at(-1)).toEqual(message)
    expect(JSON.stringify(message)).not.toContain("honey")
  })

  test("is explained part by part, with the tokens of each, just as the model was given it", async () => {
    const note = await remember("Likes honey")
    await say("one")
    await say("two")
    const { reply } = await say("Is it sweet?")
    const given = [...asked]
    // What comes later is not in it.
    await remember("Has a bear")
    await say("four")
    const text = await explained(reply.id)
    expect(text).toContain(`Reply ${reply.id}`)
    expect(text).toMatch(/^persona: \d+ tokens$/m)
    expect(text).toMatch(
      new RegExp(`^memories: \\d+ tokens\\n  note ${note.id}, since .*: 2 tokens\\n    Likes honey$`, "m"),
    )
    expect(text).toMatch(/^quotes: none$/m)
    expect(text).toMatch(
      /^window: \d+ tokens\n {2}assistant, .*\n {4}I see\.\n {2}user, .*\n {4}two\n {2}assistant, .*\n {4}I see\.$/m,
    )
    expect(text).toMatch(/^message: 8 tokens\n {2}user, .*: 4 tokens\n {4}Is it sweet\?$/m)
    expect(text).not.toMatch(/Has a bear|^ {4}(?:one|four)$/m)
    expect(text).toMatch(/^in all: \d+ tokens$/m)
    const indented = given.filter((content) => !content.includes("<memories>"))
    for (const content of indented) expect(text).toContain(content.split("\n").join("\n    "))
    expect(given).toHaveLength(indented.length + 1)
  })

  test("is told as far as it is left: what was erased since is said to be", async () => {
    const canary = "Xanthippe47"
    const note = await remember(`My bird is ${canary}`)
    const before = await say("zero")
    const one = await say(`I have a ${canary}`)
    const two = await say("two")
    await erase(one.message.id)
    await user.request("DELETE", `/memories/${note.id}`)
    const text = await explained(two.reply.id)
    expect(text).not.toContain(canary)
    expect(text).toMatch(/^memories: none\n {2}\(1 memory was forgotten or erased since\.\)$/m)
    expect(text).toMatch(/^window: \d+ tokens\n {2}\(1 message was erased since\.\)$/m)
    // Erased before the reply was made: it was never in it, and what is older was.
    await erase(before.reply.id)
    const three = await say("three")
    expect(await explained(three.reply.id)).toMatch(
      /^window: \d+ tokens\n {2}assistant, .*\n {4}I see\.\n {2}user, .*\n {4}two\n {2}assistant, .*\n {4}I see\.$/m,
    )
    await erase(three.message.id)
    expect(await explained(three.reply.id)).toMatch(/^message: none\n {2}\(1 message was erased since\.\)$/m)
  })

  test("is not made up for a reply of which it is not recorded, such as an older release's", async () => {
    await say("one")
    const { reply } = await say("two")
    await sql(database(), "update public.messages set metadata = null where id = $1::uuid", [reply.id])
    const text = await explained(reply.id)
    expect(text).toContain("memories: none\n  (What the reply was made with is not recorded.)")
    expect(text).toMatch(/^window: \d+ tokens\n {2}user, .*\n {4}one\n/m)
  })

  test("is told of a retry as of the first reply, without that one", async () => {
    await say("one")
    const { reply } = await say("two")
    const wire = await user.connect(conversationId)
    await user.request("POST", `/replies/${reply.id}/retry`)
    const { message } = await wire.next("reply.ended")
    expect(message.metadata).toMatchObject({ context: { messages: 3 } })
    expect(await explained(message.id)).toMatch(
      /^window: \d+ tokens\n {2}user, .*\n {4}one\n {2}assistant, .*\n {4}I see\.\n\nmessage: .*\n.*\n {4}two$/m,
    )
  })

  test("leaves the terminal alone, whatever was said", async () => {
    const { reply } = await say("a\u001b[2Jb\u0007")
    expect(await explained(reply.id)).toContain("    a[2Jb\n")
  })

  test("of no reply is a sentence", async () => {
    await expect(explained(randomUUID())).rejects.toThrow("There is no reply with this id.")
  })
})

import { randomUUID } from "node:crypto"
import { describe, expect, test } from "vitest"
import { type Fetch, MemoryStorage, type MessageStorage } from "../../src/index.ts"
import { isOpen, isQuietWith, RealEngine } from "./real-engine.ts"

const real = new RealEngine()

/** As React Native's: every answer takes its time, and each a different one. */
class SlowStorage implements MessageStorage {
  readonly #items = new MemoryStorage()
  #calls = 0

  getItem = (key: string) => this.#later(() => this.#items.getItem(key))
  setItem = (key: string, value: string) => this.#later(() => this.#items.setItem(key, value))
  removeItem = (key: string) => this.#later(() => this.#items.removeItem(key))
  getAllKeys = () => this.#later(() => this.#items.getAllKeys())

  async #later<Value>(act: () => Value): Promise<Value> {
    for (let turn = this.#calls++ % 5; turn >= 0; turn--) await new Promise(setImmediate)
    return act()
  }
}

/** As a browser's: `key` and `length` instead of a list. */
class WebStorage implements MessageStorage {
  readonly #items = new Map<string, string>()
  get length(): number {
    return this.#items.size
  }
  key = (index: number) => [...this.#items.keys()][index] ?? null
  getItem = (key: string) => this.#items.get(key) ?? null
  setItem = (key: string, value: string) => void this.#items.set(key, value)
  removeItem = (key: string) => void this.#items.delete(key)
}

/** Lists its keys in no order that anyone could rely on. */
class BackwardStorage extends MemoryStorage {
  override getAllKeys(): string[] {
    return super.getAllKeys().reverse()
  }
}

const storages = [
  ["memory", () => new MemoryStorage()],
  ["a browser's", () => new WebStorage()],
  ["a slow one", () => new SlowStorage()],
] as const

async function keysIn(storage: MessageStorage): Promise<readonly string[]> {
  if (storage.getAllKeys !== undefined) return storage.getAllKeys()
  return Array.from({ length: storage.length ?? 0 }, (_, index) => storage.key?.(index) ?? "")
}

describe.each(["websocket", "sse"] as const)("sending over %s", (via) => {
  const options = via === "sse" ? { webSocket: null } : {}

  test("loses, doubles and reorders nothing when every acknowledgement is lost", async () => {
    const conversation = real.today(options)
    await conversation.until(isOpen)
    const texts = Array.from({ length: 8 }, (_, index) => `message ${index}`)
    for (const text of texts) {
      const lost = real.line.loseNextAnswer()
      conversation.send(text)
      await lost
    }
    for (const _ of texts) real.model.finish()
    const state = await conversation.until(isQuietWith(16))
    expect(state.messages.filter(({ role }) => role === "user").map(({ content }) => content)).toEqual(texts)
    expect(state.messages).toEqual(await real.history(conversation.id))
    expect(real.engine.modelCalls()).toBe(texts.length)
  })

  test("goes on through a restart of the engine, in the middle of it", async () => {
    const conversation = real.today(options)
    await conversation.until(isOpen)
    const restarting = real.restart()
    const sent = ["during", "a", "deploy"].map((text) => conversation.send(text))
    await restarting
    for (const _ of sent) real.model.finish()
    const state = await conversation.until(isQuietWith(6))
    expect(state.messages.filter(({ role }) => role === "user").map(({ id }) => id)).toEqual(sent.map(({ id }) => id))
  })

  test("carries what the app adds to a message", async () => {
    const conversation = real.today(options)
    const message = conversation.send("With a note", { metadata: { mood: "brave" } })
    expect(message).toMatchObject({ status: "sending", metadata: { mood: "brave" } })
    real.model.finish()
    const state = await conversation.until(isQuietWith(2))
    expect(state.messages[0]).toMatchObject({ id: message.id, metadata: { mood: "brave" } })
  })

  test("keeps what the engine refuses, with its reason, until it is sent again or discarded", async () => {
    const storage = new MemoryStorage()
    const conversation = real.today({ ...options, storage })
    const refused = conversation.send("Half an emoji \ud83d")
    conversation.send("A whole one 🐻")
    real.model.finish()
    await conversation.until((state) => state.messages.length === 2 && state.pending[0]?.status === "failed")
    expect(conversation.state.pending[0]?.error?.code).toBe("invalid_request")
    conversation.close()
    const reloaded = real.today({ ...options, storage })
    const state = await reloaded.until((now) => isOpen(now) && now.pending.length === 1)
    expect(state.pending[0]).toMatchObject({ id: refused.id, status: "failed" })
    reloaded.discard(refused.id)
    expect(reloaded.state.pending).toEqual([])
    await expect.poll(() => storage.getAllKeys()).toEqual([])
  })
})

describe.each(storages)("the queue in %s storage", (_, makeStorage) => {
  test("outlives a reload: the same messages, in their order", async () => {
    const storage = makeStorage()
    const before = real.today({ storage })
    await before.until(isOpen)
    real.line.cut()
    const sent = ["one", "two", "three"].map((text) => before.send(text))
    await expect.poll(() => keysIn(storage)).toHaveLength(3)
    before.close()
    real.line.mend()
    const after = real.today({ storage })
    for (const one of sent) {
      await after.until((state) => state.messages.some(({ id }) => id === one.id))
      real.model.finish()
    }
    const state = await after.until(isQuietWith(6))
    const said = state.messages.filter(({ role }) => role === "user")
    expect(said.map(({ id, content }) => [id, content])).toEqual(sent.map(({ id, content }) => [id, content]))
    await expect.poll(() => keysIn(storage)).toEqual([])
    expect(real.engine.modelCalls()).toBe(3)
  })

  test("is shared by two tabs without doubling or losing anything", async () => {
    const storage = makeStorage()
    const tabs = [real.today({ storage }), real.today({ storage })]
    await Promise.all(tabs.map((tab) => tab.until(isOpen)))
    real.line.cut()
    const sent = tabs.flatMap((tab, index) => ["first", "second"].map((text) => tab.send(`${text} of tab ${index}`)))
    await expect.poll(() => keysIn(storage)).toHaveLength(4)
    // One tab is closed with its messages unsent: the other takes them up when it comes back.
    tabs[1]?.close()
    real.line.mend()
    for (const _ of sent) real.model.finish()
    const state = await tabs[0]?.until(isQuietWith(8))
    const said = state?.messages.filter(({ role }) => role === "user") ?? []
    expect(said.map(({ id }) => id).sort()).toEqual(sent.map(({ id }) => id).sort())
    await expect.poll(() => keysIn(storage)).toEqual([])
    expect(real.engine.modelCalls()).toBe(4)
  })
})

describe("the queue", () => {
  test("is in a browser's storage when send comes back, so that not even a reload in the same moment loses it", async () => {
    const storage = new WebStorage()
    const conversation = real.today({ storage })
    await conversation.until(isOpen)
    const { id } = conversation.send("Now or never")
    expect(JSON.parse(storage.getItem(`grizz.outbox.${id}`) ?? "{}")).toMatchObject({
      userId: real.userId,
      conversationId: conversation.id,
      content: "Now or never",
    })
  })

  test("keeps what was said before anything was known of the user, the conversation or the engine", async () => {
    const storage = new MemoryStorage()
    real.line.cut()
    const offline = real.today({ storage })
    const { id } = offline.send("From the tunnel")
    await expect.poll(() => storage.getAllKeys()).toHaveLength(1)
    offline.close()
    real.line.mend()
    const online = real.today({ storage })
    real.model.finish()
    const state = await online.until(isQuietWith(2))
    expect(state.messages[0]).toMatchObject({ id, content: "From the tunnel" })
  })

  test("never sends one user's messages as another", async () => {
    const storage = new MemoryStorage()
    real.line.cut()
    const first = real.today({ storage })
    first.send("For my eyes only")
    await expect.poll(() => storage.getAllKeys()).toHaveLength(1)
    first.close()
    real.line.mend()
    const other = randomUUID()
    const second = real.today({ storage, token: () => real.token(other) })
    second.send("Somebody else")
    real.model.finish()
    const state = await second.until(isQuietWith(2))
    expect(state.messages[0]?.content).toBe("Somebody else")
    expect(storage.getAllKeys()).toHaveLength(1)
    expect(second.state.pending).toEqual([])
  })

  test("reaches the conversation a message was written in, though another one is open by now", async () => {
    const storage = new BackwardStorage()
    const client = real.client({ storage })
    const { id } = await client.call("POST /conversations")
    const yesterday = real.follow(client.conversation(id))
    await yesterday.until(isOpen)
    real.line.cut()
    const sent = ["Good night", "and sleep well"].map((text) => yesterday.send(text))
    yesterday.close()
    real.line.mend()
    const today = real.today({ storage })
    await today.until(isOpen)
    await expect.poll(() => storage.getAllKeys()).toEqual([])
    const said = (await real.history(id)).filter(({ role }) => role === "user")
    expect(said.map((message) => message.id)).toEqual(sent.map((message) => message.id))
    expect(today.state.pending).toEqual([])
    for (const _ of sent) real.model.finish()
  })

  test("gets through where answers over HTTP cannot be streamed", async () => {
    const storage = new MemoryStorage()
    const { id } = await real.client().call("POST /conversations")
    const yesterday = real.follow(real.client({ storage }).conversation(id))
    await yesterday.until(isOpen)
    real.line.cut()
    const sent = yesterday.send("In one piece")
    yesterday.close()
    real.line.mend()
    real.model.finish()
    const whole: Fetch = async (url, init) => {
      const response = await fetch(url, init)
      const text = await response.text()
      return Object.defineProperties(new Response(text, response), { body: { value: undefined } })
    }
    await real.today({ storage, fetch: whole }).until(isOpen)
    await expect.poll(() => storage.getAllKeys()).toEqual([])
    expect((await real.history(id))[0]?.id).toBe(sent.id)
  })

  test("gives up on a message whose conversation is gone", async () => {
    const storage = new MemoryStorage()
    const client = real.client({ storage })
    const { id } = await client.call("POST /conversations")
    const gone = real.follow(client.conversation(id))
    await gone.until(isOpen)
    real.line.cut()
    gone.send("Too late")
    gone.close()
    real.line.mend()
    await client.call("DELETE /conversations/{id}", { id })
    await real.today({ storage }).until(isOpen)
    await expect.poll(() => storage.getAllKeys()).toEqual([])
  })

  test("waits in memory when the storage fails, and says so", async () => {
    const errors: unknown[] = []
    const full = new Error("full")
    const refuse = () => {
      throw full
    }
    const storage = { getItem: refuse, setItem: refuse, removeItem: refuse, getAllKeys: refuse }
    const conversation = real.today({ storage, onStorageError: (error) => errors.push(error) })
    conversation.send("Anyway")
    real.model.finish()
    await conversation.until(isQuietWith(2))
    expect(new Set(errors)).toEqual(new Set([full]))
  })
})

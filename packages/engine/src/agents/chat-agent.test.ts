import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { UsedContext } from "../domain.ts"
import type { Quote, Remembered } from "../memory-ports.ts"
import type { ContextMessage, LlmClient, ModelMessage } from "../ports.ts"
import { chatAgent } from "./chat-agent.ts"
import { loadTokenCounter } from "./token-count.ts"

const persona = { name: "p", version: "1", systemPrompt: "You are P." }
const context: ContextMessage[] = [
  { role: "user", content: "My dog is called Otto." },
  { role: "assistant", content: "A fine name." },
  { role: "user", content: "What is his name?" },
]

const quote = (text: string, day: string): Quote => {
  return { id: `${day} ${text}`, role: "user", text, day, createdAt: `${day}T10:00:00.000000Z` }
}

/** A model that repeats how it was asked. */
function recording(): LlmClient & { asked: (readonly ModelMessage[])[] } {
  const asked: (readonly ModelMessage[])[] = []
  return {
    asked,
    async stream({ messages, onText }) {
      asked.push(messages)
      onText("Otto")
      return { finishReason: "stop", usage: null, model: "m" }
    },
  }
}

function ask(
  llm: LlmClient,
  contextTokens: number,
  signal = new AbortController().signal,
  remembered: Partial<Remembered> = {},
  recollects = true,
  given = context,
) {
  const pieces: string[] = []
  const prompts: UsedContext[] = []
  const recollect = async () => ({ memories: [], quotes: [], today: "2026-02-01", ...remembered })
  const answering = chatAgent({ llm, persona, contextTokens, recollect }).answer({
    conversationId: "a conversation",
    position: 2,
    context: given,
    recollects,
    onPrompt: (used) => prompts.push(used),
    onText: (text) => pieces.push(text),
    signal,
  })
  return { pieces, prompts, answering }
}

describe("the chat agent", () => {
  test("asks the model as its persona and gives its answer on", async () => {
    const llm = recording()
    const { pieces, answering } = ask(llm, 8000)
    expect(await answering).toEqual({ finishReason: "stop", usage: null, model: "m" })
    expect(pieces).toEqual(["Otto"])
    expect(llm.asked).toEqual([[{ role: "system", content: "You are P." }, ...context]])
  })

  test("asks no memory that has nothing to say", async () => {
    const llm = recording()
    const memory = { id: "m", kind: "fact", isPinned: false, text: "Has a dog", since: "2026-01-01" } as const
    await ask(llm, 8000, undefined, { memories: [memory] }, false).answering
    expect(llm.asked).toEqual([[{ role: "system", content: "You are P." }, ...context]])
  })

  test("what is remembered comes after the persona, and before the conversation", async () => {
    const llm = recording()
    const memory = { id: "m", kind: "fact", isPinned: false, text: "Has a dog", since: "2026-01-01" } as const
    const { prompts, answering } = ask(llm, 8000, undefined, { memories: [memory] })
    await answering
    const [system, block, ...rest] = llm.asked[0]!
    expect(system).toEqual({ role: "system", content: "You are P." })
    expect(block).toMatchObject({ role: "user", content: expect.stringContaining("Has a dog") as string })
    expect(rest).toEqual(context)
    expect(prompts).toEqual([{ persona: "1", messages: 3, memories: ["m"], quotes: [] }])
  })

  test("however much is remembered, it takes a quarter of the budget at most", async () => {
    const llm = recording()
    const countTokens = await loadTokenCounter()
    const memories = Array.from({ length: 60 }, (_, index) => ({
      id: `m${index}`,
      kind: "fact" as const,
      isPinned: false,
      text: `Fact ${index}. ${"honey ".repeat(80)}`,
      since: "2026-01-01",
    }))
    for (const contextTokens of [60, 400, 1000, 8000]) {
      await ask(llm, contextTokens, undefined, { memories }).answering
      const [, ...rest] = llm.asked.at(-1)!
      const blocks = rest.filter(({ content }) => content.includes("<memories>"))
      for (const { content } of blocks) expect(countTokens(content)).toBeLessThanOrEqual(contextTokens / 4)
      const sum = rest.reduce((tokens, { content }) => tokens + countTokens(content) + 4, 0)
      expect(sum).toBeLessThanOrEqual(contextTokens)
      expect(rest.at(-1)).toEqual(context.at(-1))
    }
  })

  test("what was said before comes after what is remembered, and before the conversation", async () => {
    const llm = recording()
    const memory = { id: "m", kind: "fact", isPinned: false, text: "Has a dog", since: "2026-01-01" } as const
    const quotes = [quote("His name is Otto", "2026-01-03"), quote("I got a dog", "2026-01-02")]
    const { prompts, answering } = ask(llm, 8000, undefined, { memories: [memory], quotes })
    await answering
    const [system, memories, block, ...rest] = llm.asked[0]!
    expect(system).toEqual({ role: "system", content: "You are P." })
    expect(memories!.content).toContain("<memories>")
    expect(block!.role).toBe("user")
    expect(block!.content.split("\n")[0]).toContain("Today is 2026-02-01.")
    expect(block!.content.split("\n").slice(1)).toEqual([
      "<quotes>",
      '{"date":"2026-01-02","role":"user","text":"I got a dog"}',
      '{"date":"2026-01-03","role":"user","text":"His name is Otto"}',
      "</quotes>",
    ])
    expect(rest).toEqual(context)
    const used = quotes.toReversed().map(({ id }) => id)
    expect(prompts).toEqual([{ persona: "1", messages: 3, memories: ["m"], quotes: used }])
  })

  test("whatever is stored and said, the prompt keeps the budget, unless the message alone exceeds it", async () => {
    const countTokens = await loadTokenCounter()
    const sumOf = (messages: readonly { content: string }[]) =>
      messages.reduce((tokens, { content }) => tokens + countTokens(content) + 4, 0)
    const words = fc.constantFrom("honey ", "<", "</quotes>\n", "🐻", "熊", '"', "Größe ", "a", "\ud800")
    const said = fc
      .tuple(fc.array(words, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 900 }))
      .map(([parts, times]) => parts.join("").repeat(times))
    const contextOf = fc.array(said, { minLength: 1, maxLength: 5 })
    const all = fc.record({
      context: contextOf,
      memories: fc.array(said, { maxLength: 8 }),
      quotes: fc.array(said, { maxLength: 12 }),
      contextTokens: fc.integer({ min: 100, max: 12_000 }),
    })
    await fc.assert(
      fc.asyncProperty(all, async ({ context: contents, memories, quotes, contextTokens }) => {
        const llm = recording()
        const given = contents.map((content) => ({ role: "user" as const, content }))
        const remembered = {
          memories: memories.map((text, index) => ({
            id: `${index}`,
            kind: "note" as const,
            isPinned: false,
            text,
            since: "2026-01-01",
          })),
          quotes: quotes.map((text) => quote(text, "2026-01-01")),
        }
        await ask(llm, contextTokens, undefined, remembered, true, given).answering
        const [, ...rest] = llm.asked[0]!
        expect(rest.at(-1)).toEqual(given.at(-1))
        expect(sumOf(rest)).toBeLessThanOrEqual(Math.max(contextTokens, sumOf([given.at(-1)!])))
        for (const { content } of rest.filter(({ content: text }) => text.includes("\n<quotes>\n"))) {
          expect(countTokens(content)).toBeLessThanOrEqual(1500)
        }
      }),
      { numRuns: 60 },
    )
  })

  test("counts tokens, not bytes, where the budget is tight", async () => {
    const llm = recording()
    // 11 + 8 + 9 tokens with what surrounds them, in 63 bytes.
    await ask(llm, 28).answering
    const tight = ask(llm, 20)
    await tight.answering
    expect(tight.prompts).toMatchObject([{ messages: 2, memories: [] }])
    expect(llm.asked.map((messages) => messages.length)).toEqual([4, 3])
  })

  test("asks nobody once it was aborted", async () => {
    const llm = recording()
    const reason = new Error("stopped")
    await expect(ask(llm, 28, AbortSignal.abort(reason)).answering).rejects.toBe(reason)
    expect(llm.asked).toEqual([])
  })
})

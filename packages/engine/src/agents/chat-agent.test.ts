import { describe, expect, test } from "vitest"
import type { ContextMessage, LlmClient, ModelMessage } from "../ports.ts"
import { chatAgent } from "./chat-agent.ts"

const persona = { name: "p", version: "1", systemPrompt: "You are P." }
const context: ContextMessage[] = [
  { role: "user", content: "My dog is called Otto." },
  { role: "assistant", content: "A fine name." },
  { role: "user", content: "What is his name?" },
]

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

function ask(llm: LlmClient, contextTokens: number, signal = new AbortController().signal) {
  const pieces: string[] = []
  const answering = chatAgent({ llm, persona, contextTokens }).answer({
    context,
    onText: (text) => pieces.push(text),
    signal,
  })
  return { pieces, answering }
}

describe("the chat agent", () => {
  test("asks the model as its persona and gives its answer on", async () => {
    const llm = recording()
    const { pieces, answering } = ask(llm, 8000)
    expect(await answering).toEqual({ finishReason: "stop", usage: null, model: "m" })
    expect(pieces).toEqual(["Otto"])
    expect(llm.asked).toEqual([[{ role: "system", content: "You are P." }, ...context]])
  })

  test("counts tokens, not bytes, where the budget is tight", async () => {
    const llm = recording()
    // 11 + 8 + 9 tokens with what surrounds them, in 63 bytes.
    await ask(llm, 28).answering
    await ask(llm, 20).answering
    expect(llm.asked.map((messages) => messages.length)).toEqual([4, 3])
  })

  test("asks nobody once it was aborted", async () => {
    const llm = recording()
    const reason = new Error("stopped")
    await expect(ask(llm, 28, AbortSignal.abort(reason)).answering).rejects.toBe(reason)
    expect(llm.asked).toEqual([])
  })
})

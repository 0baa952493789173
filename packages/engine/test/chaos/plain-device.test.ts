import { describe, expect, test } from "vitest"
import { ModelBook } from "./chaos-model.ts"
import type { Stored, StoredReply } from "./ledger.ts"
import { checkPlain } from "./plain-device.ts"
import { Told } from "./told.ts"

const contents = ["mark-0123456789abcdef01234567 one", "mark-123456789abcdef012345678 two"]
const model = new ModelBook(5)
model.isCalm = true
const texts = contents.map((content) => {
  void model.script({ model: "test", messages: [{ role: "user", content }], signal: new AbortController().signal })
  return model.callsOf(content)[0]!.text
})

function violationsOf(heard: string, errors = 0, first: Partial<StoredReply> = {}, sent = contents): number {
  const conversationId = "c"
  const rest = { errorCode: null, inputTokens: null, outputTokens: null, supersededBy: null }
  const stored: Stored = {
    messages: sent.map((content, index) => ({
      id: `m${index}`,
      conversationId,
      position: index * 2,
      role: "user",
      content,
    })),
    replies: texts.slice(0, sent.length).map((text, index) => ({
      id: `r${index}`,
      conversationId,
      messageId: `m${index}`,
      position: index * 2 + 1,
      status: "completed",
      attempt: 1,
      calls: 1,
      text,
      ...rest,
      ...(index === 0 ? first : {}),
    })),
  }
  const told = new Told()
  checkPlain(told, stored, model, { name: "p", sent, text: heard, errors })
  return told.violations.length
}

describe("what a plain socket heard", () => {
  test("may be all of its replies, or end anywhere", () => {
    const all = texts.join("")
    for (let length = 0; length <= all.length; length++) expect(violationsOf(all.slice(0, length))).toBe(0)
  })

  test("may not skip, repeat or add anything", () => {
    expect(violationsOf(texts[1]!)).toBe(1)
    expect(violationsOf(texts[0]! + texts[0]!)).toBe(1)
    expect(violationsOf(`${texts.join("")}?`)).toBe(1)
  })

  test("may be more of a first attempt than was saved when another node ended the reply", () => {
    const saved = texts[0]!.slice(0, 12)
    const heard = texts[0]!.slice(0, 30) + texts[1]!
    for (const text of ["", saved]) {
      const takenOver = { attempt: 2, status: "stopped", text }
      expect(violationsOf(heard, 1, takenOver)).toBe(0)
      expect(violationsOf(texts[0]!.slice(0, 30), 1, takenOver, contents.slice(0, 1))).toBe(0)
    }
    expect(violationsOf(heard, 0, { status: "stopped", text: saved })).toBe(1)
  })

  test("may be nothing of a reply that changed hands, though the next one begins with the same character", () => {
    expect(texts[1]![0]).toBe(texts[0]![0])
    expect(violationsOf(texts[1]!, 1, { attempt: 2 })).toBe(0)
    expect(violationsOf(texts[1]!.slice(1), 1, { attempt: 2 })).toBe(1)
  })
})

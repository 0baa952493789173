import { describe, expect, test } from "vitest"
import { ModelBook } from "./chaos-model.ts"
import { DeviceView } from "./device-view.ts"
import { checkLedger, type LedgerInput, type Stored } from "./ledger.ts"
import { hasMaterial, plants, plantViolation } from "./plant.ts"
import { Told, type ToldEnd } from "./told.ts"

const conversationId = "c"
const content = "mark-0123456789abcdef01234567 hello"

function clean(): LedgerInput & { told: Told; stored: Stored } {
  const model = new ModelBook(1)
  model.isCalm = true
  const signal = new AbortController().signal
  void model.script({ model: "test", messages: [{ role: "user", content }], signal })
  const text = model.callsOf(content)[0]!.text
  const told = new Told()
  const replyIds = new Set(["r"])
  told.sends.set("m", { id: "m", conversationId, content, isAcknowledged: true, replyIds })
  told.ended("r", { position: 1, status: "completed", content: text, errorCode: null, inputTokens: 1, outputTokens: 2 })
  const silent = {
    violate: () => undefined,
    acknowledged: () => undefined,
    ended: () => undefined,
    count: () => undefined,
  }
  const view = new DeviceView("d", silent)
  view.entries.set(0, { id: "m", role: "user", content, status: "sent" })
  view.entries.set(1, { id: "r", role: "assistant", content: text, status: "completed" })
  const stored: Stored = {
    messages: [
      { id: "m", conversationId, position: 0, role: "user", content },
      { id: "r", conversationId, position: 1, role: "assistant", content: text },
    ],
    replies: [
      {
        id: "r",
        conversationId,
        messageId: "m",
        position: 1,
        status: "completed",
        attempt: 1,
        calls: 1,
        errorCode: null,
        inputTokens: 1,
        outputTokens: 2,
        supersededBy: null,
        text,
      },
    ],
  }
  return { told, stored, model, devices: [{ name: "d", conversationId, view }], callsMax: 2 }
}

function kindsOf(input: LedgerInput): string[] {
  checkLedger(input)
  return [...new Set(input.told.violations.map(({ kind }) => kind))].sort()
}

describe("the ledger", () => {
  test("finds nothing where everything is as it was told", () => {
    expect(kindsOf(clean())).toEqual([])
  })

  test.each(plants)("notices the planted violation: %s", (plant) => {
    const input = clean()
    expect(plantViolation(plant, input.told, input.stored)).toBe(true)
    expect(kindsOf(input)).toContain(plant)
  })

  test.each(plants)("is not tested with what is not there: %s", (plant) => {
    const nobodyHeard = clean()
    nobodyHeard.told.sends.clear()
    const retried = clean()
    retried.stored.replies.push({ ...retried.stored.replies[0]!, id: "s", position: 2 })
    for (const { told, stored } of [nobodyHeard, retried]) {
      const before = structuredClone(stored)
      expect(plantViolation(plant, told, stored)).toBe(false)
      expect(stored).toEqual(before)
    }
  })

  test("can be tested once a handful of replies were told to have completed", () => {
    const { told } = clean()
    expect(hasMaterial(told)).toBe(false)
    const end = { position: 3, content: "x", errorCode: null, inputTokens: 1, outputTokens: 2 }
    for (const id of ["s", "t", "u", "v"]) told.ended(id, { ...end, status: "failed" })
    expect(hasMaterial(told)).toBe(false)
    for (const id of ["s", "t", "u", "v"]) told.ended(id, { ...end, status: "completed" })
    expect(hasMaterial(told)).toBe(true)
  })

  test("notices two devices that were told different ends", () => {
    const input = clean()
    const other: ToldEnd = {
      position: 1,
      status: "stopped",
      content: "",
      errorCode: null,
      inputTokens: null,
      outputTokens: null,
    }
    input.told.ended("r", other)
    expect(kindsOf(input)).toEqual(["ends"])
  })

  test("notices a message that is stored twice under different ids", () => {
    const input = clean()
    input.stored.messages.push({ ...input.stored.messages[0]!, id: "n", position: 2 })
    expect(kindsOf(input)).toContain("duplicate")
  })

  test("notices what a device has not seen, and what it still shows as running", () => {
    const input = clean()
    const { view } = input.devices[0]!
    view.entries.delete(1)
    expect(kindsOf(input)).toEqual(["gap"])
    view.running = { replyId: "r", attempt: 1, text: "" }
    expect(kindsOf(input)).toContain("unended")
  })

  test("notices an acknowledgement that never came", () => {
    const input = clean()
    input.told.sends.get("m")!.isAcknowledged = false
    expect(kindsOf(input)).toEqual(["stuck"])
  })

  test("accepts a part of what the model said only from a reply that did not complete", () => {
    const input = clean()
    const [reply] = input.stored.replies
    reply!.text = reply!.text!.slice(0, 5)
    input.told.ends.clear()
    input.devices.length = 0
    expect(kindsOf(input)).toEqual(["text"])
    input.told.violations.length = 0
    reply!.status = "stopped"
    expect(kindsOf(input)).toEqual([])
  })
})

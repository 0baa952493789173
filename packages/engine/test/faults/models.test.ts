import { randomUUID } from "node:crypto"
import { setImmediate as nextTurn, setTimeout as wait } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { oneDatabaseKind } from "../support/database-kinds.ts"
import { CutLine } from "../support/cut-line.ts"
import type { ModelCall } from "../support/model-server.ts"
import { answer, chunk, done, event, finish, role, text } from "../support/model-stream.ts"
import { type EndOfReply, type Fault, ModelStage } from "./model-stage.ts"

const json = { "content-type": "application/json" }
const failed = (code: string, text: string | RegExp = ""): EndOfReply => ({ status: "failed", code, text })
const completed = (text: string): EndOfReply => ({ status: "completed", code: null, text })

function refuse(status: number, headers: Record<string, string> = {}): Fault {
  return (call) => call.respond(status, { ...json, ...headers }, JSON.stringify({ error: { message: "no" } }))
}

function streamed(...events: string[]): Fault {
  return (call) => call.begin().end(role + text("so far") + events.join(""))
}

/** Fails so many times, then answers. */
function first(times: number, fault: Fault): Fault {
  return (call, time) => (time < times ? fault(call, time) : call.begin().end(answer("at ", "last")))
}

async function forever(call: ModelCall, piece: string): Promise<void> {
  while (await call.write(piece)) await wait(10)
}

describe(`a model that fails, and another user's reply beside it on ${oneDatabaseKind.name}`, () => {
  let stage: ModelStage
  beforeAll(async () => {
    stage = await ModelStage.start({})
  })
  afterAll(() => stage.close())

  test.each<[string, Fault, EndOfReply, number]>([
    ["429 until it is tried again", first(1, refuse(429, { "retry-after": "1" })), completed("at last"), 2],
    ["429 three times", refuse(429, { "retry-after": "0" }), failed("model_unavailable"), 3],
    ["429 for a minute", refuse(429, { "retry-after": "60" }), failed("model_unavailable"), 1],
    ["500 twice", first(2, refuse(500)), completed("at last"), 3],
    ["503 three times", refuse(503), failed("model_unavailable"), 3],
    ["400", refuse(400), failed("model_refused"), 1],
    ["401", refuse(401), failed("model_unavailable"), 1],
    ["an error object in a 200", refuse(200), failed("model_unavailable"), 3],
    ["a page", (call) => call.respond(200, { "content-type": "text/html" }, "<p>no</p>"), failed("model_invalid"), 1],
    ["nothing but a broken connection", (call) => call.reset(), failed("model_unavailable"), 3],
    ["an empty answer", (call) => call.begin().end(role + finish() + done), failed("model_invalid"), 1],
    ["an end without a finish reason", streamed(), failed("model_unavailable", "so far"), 1],
    ["[DONE] without a finish reason", streamed(done), failed("model_unavailable", "so far"), 1],
    [
      "a connection that is closed in mid-text",
      async (call) => {
        await call.begin().write(text("so far"))
        call.cut()
      },
      failed("model_unavailable", "so far"),
      1,
    ],
    [
      "a connection that breaks in mid-line",
      async (call) => {
        await call.begin().write(text("so far") + text("more").slice(0, 40))
        call.reset()
      },
      // What a broken connection leaves unread is lost to the engine too.
      failed("model_unavailable", /^(?:so far)?$/),
      1,
    ],
    ["malformed JSON in mid-text", streamed(event('{"choices": oops')), failed("model_invalid", "so far"), 1],
    ["an error object in mid-text", streamed(event({ error: {} })), failed("model_unavailable", "so far"), 1],
    ["a refusal in mid-text", streamed(finish("content_filter")), failed("model_refused", "so far"), 1],
    ["a line of 10 MB", streamed(`data: "${"x".repeat(10_000_000)}"\n\n`), failed("model_invalid", "so far"), 1],
  ])("%s", async (_, fault, expected, calls) => {
    const bystander = await stage.bystander()
    const { calls: asked } = await stage.expectEnd(fault, expected)
    await bystander.finish()
    // A connection that breaks in mid-line before its text was read is tried again.
    if (typeof expected.text === "string") expect(asked).toBe(calls)
  })

  test("more text than a reply may have", async () => {
    const bystander = await stage.bystander()
    const tooMuch: Fault = async (call) => {
      await call.begin().write(role)
      while (await call.write(text("x".repeat(8000)))) await nextTurn()
    }
    const { last } = await stage.expectEnd(tooMuch, failed("model_invalid", /^x{500000,1048576}$/))
    await last!.closed
    expect(last!.clientHungUp).toBe(true)
    await bystander.finish()
  })

  test("an answer in chunks of one byte", async () => {
    const words = ["grizzly ", "Bär ", "медведь ", "熊 ", "🐻 ", "👩‍👩‍👧‍👦"]
    const bystander = await stage.bystander()
    const bytes = new TextEncoder().encode(words.map(text).join("") + finish() + done)
    const byteByByte: Fault = async (call) => {
      await call.begin().writeByteByByte(bytes)
      call.end()
    }
    await stage.expectEnd(byteByByte, completed(words.join("")))
    await bystander.finish()
  })

  test("an answer whose every delta is split at another byte, and whose characters are split between deltas", async () => {
    const bear = new TextEncoder().encode(text("a🐻é熊\n"))
    const bystander = await stage.bystander()
    const split: Fault = async (call) => {
      call.begin()
      for (let at = 1; at < bear.length; at++) {
        await call.write(bear.subarray(0, at))
        await nextTurn()
        await call.write(bear.subarray(at))
      }
      for (const half of ["\ud83d", "\udc3b", "\ud83d", "x\0y", "\udc3b"]) {
        await call.write(text(half))
        await nextTurn()
      }
      call.end(finish() + done)
    }
    const whole = "a🐻é熊\n".repeat(bear.length - 1)
    await stage.expectEnd(split, completed(`${whole}🐻\u{fffd}x\u{fffd}y\u{fffd}`))
    await bystander.finish()
  })
})

describe(`a model that keeps silent on ${oneDatabaseKind.name}`, () => {
  let stage: ModelStage
  beforeAll(async () => {
    stage = await ModelStage.start({
      LLM_FIRST_TOKEN_TIMEOUT_MS: "600",
      LLM_IDLE_TIMEOUT_MS: "600",
      LLM_TOTAL_TIMEOUT_MS: "3000",
    })
  })
  afterAll(() => stage.close())

  test.each<[string, Fault, string]>([
    ["from the beginning", () => undefined, ""],
    ["after its head", (call) => void call.begin().write(role), ""],
    ["but for comments", (call) => forever(call.begin(), ": ping\n\n"), ""],
    ["but for empty deltas", (call) => forever(call.begin(), chunk({ content: "" })), ""],
    ["in mid-text", (call) => void call.begin().write(text("so far")), "so far"],
    ["in mid-line", (call) => void call.begin().write(`${text("so far")}data: {"ch`), "so far"],
  ])("%s: the reply fails in time, and the model is hung up on", async (_, fault, said) => {
    const bystander = await stage.bystander()
    const { calls, last } = await stage.expectEnd(fault, failed("model_timeout", said))
    await last!.closed
    expect(last!.clientHungUp).toBe(true)
    expect(calls).toBe(1)
    await bystander.finish()
  })

  test("never: a reply that trickles for ever fails in time", async () => {
    const bystander = await stage.bystander()
    const trickle: Fault = async (call) => {
      await call.begin().write(text("drip "))
      await bystander.finish()
      await forever(call, text("drip "))
    }
    const { last } = await stage.expectEnd(trickle, failed("model_timeout", /^(?:drip ){3,}$/))
    await last!.closed
    expect(last!.clientHungUp).toBe(true)
  })
})

describe(`a model that is not there on ${oneDatabaseKind.name}`, () => {
  test("because its connections are refused, while an earlier one goes on", async () => {
    let line: CutLine | null = null
    const stage = await ModelStage.start({}, async (baseUrl) => {
      line = await CutLine.start(baseUrl)
      return `${line.url}/v1`
    })
    const bystander = await stage.bystander()
    line!.refuse()
    const { calls } = await stage.expectEnd(
      () => undefined,
      failed("model_unavailable"),
      () => line!.accept(),
    )
    expect(calls).toBe(0)
    await bystander.finish()
    await stage.close()
    await line!.close()
  })

  test("because its name does not resolve", async () => {
    const stage = await ModelStage.start({}, async () => "http://model.invalid/v1")
    const wire = await stage.ask(randomUUID(), "fault")
    expect(await wire.next("reply.ended")).toMatchObject({ status: "failed", error: { code: "model_unavailable" } })
    await stage.close()
  })
})

import { expect, onTestFinished, test } from "vitest"
import { clientOf, runModel } from "../support/model-run.ts"
import { startModelServer } from "../support/model-server.ts"
import { done, finish, text } from "../support/model-stream.ts"

const answers = 40
const steps = 60

/** A text of its own for each answer, with characters of every length. */
const textOf = (number: number) => `${String.fromCodePoint(0x1f400 + number)} answer ${number} é日 `.repeat(3)

/** No two of them have anything in the same place. */
function response(number: number, head: string, body: string): Buffer {
  const length = `content-length: ${Buffer.byteLength(body)}`
  return Buffer.from(`HTTP/1.1 ${head}\r\nx-number: ${"x".repeat(number)}\r\n${length}\r\n\r\n${body}`)
}

/** An answer, or a refusal whose body, or whose head, says what it is. */
function responseTo(number: number): Buffer {
  if (number % 4 === 1) return response(number, `429 Too Many Requests\r\nretry-after: ${number}`, "")
  const error = JSON.stringify({ error: { code: "content_filter", message: textOf(number) } })
  if (number % 4 === 2) return response(number, "500 Internal Server Error", error)
  return response(number, "200 OK", text(textOf(number)) + finish() + done)
}

function resultOf(number: number): object {
  if (number % 4 === 1) return { error: { code: "model_unavailable", retryAfterMs: number * 1000 } }
  if (number % 4 === 2) return { error: { code: "model_refused" } }
  return { text: textOf(number), error: null }
}

test("answers that are read in turns, a few bytes each, share a buffer and nothing that is in it", async () => {
  // All take a step before any takes its next one, so that every read is another connection's than the last.
  let arrived = 0
  let next = Promise.withResolvers<void>()
  const everybody = () => {
    const { promise, resolve } = next
    if ((arrived += 1) % answers === 0) {
      next = Promise.withResolvers()
      setImmediate(resolve)
    }
    return promise
  }
  const server = await startModelServer(async (call) => {
    const number = Number(/number (\d+)/.exec(JSON.stringify(call.body))?.[1])
    const bytes = responseTo(number)
    const at = (step: number) => Math.round((bytes.length * step) / steps)
    for (let step = 0; step < steps; step++) {
      await everybody()
      call.writeRaw(bytes.subarray(at(step), at(step + 1)))
    }
    call.cut()
  })
  onTestFinished(() => server.close())
  const llm = clientOf(server.baseUrl)
  onTestFinished(() => llm.close())
  const numbers = Array.from({ length: answers }, (_, number) => number)
  const runs = await Promise.all(numbers.map((number) => runModel(llm, { prompt: `number ${number}` })))
  expect(runs).toMatchObject(numbers.map(resultOf))
})

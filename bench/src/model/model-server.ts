// A process of its own: answers questions of the bench in the OpenAI streaming format. Arguments: the port.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { monotonicMs } from "../machine/monotonic.ts"
import { endFloods, flood, parseFlood } from "./flood.ts"
import { parseQuestion, type Question } from "./question.ts"

/** When a paced question arrived, and when each of its tokens was written; monotonic milliseconds. */
export interface ModelTimes {
  arrivedMs: number
  tokensMs: number[]
}

interface CompletionRequest {
  messages: { role: string; content: string }[]
  stream_options?: { include_usage?: boolean }
}

/** Set by the tests of the bench: one delta of each answer is not what it should be. */
const isWrong = process.env["BENCH_WRONG_TEXT"] !== undefined

let times: Record<string, ModelTimes> = {}

const chunk = (rest: object) => `data: ${JSON.stringify({ ...chunkHead, ...rest })}\n\n`
const chunkHead = { id: "chatcmpl-bench", object: "chat.completion.chunk", created: 1_760_000_000, model: "bench" }
const delta = (content: string) =>
  chunk({ choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: null }] })

const opening = chunk({
  choices: [{ index: 0, delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null }],
})

function ending(tokens: number, withUsage: boolean): string {
  const finish = chunk({ choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: "stop" }] })
  const usage = { prompt_tokens: 1, completion_tokens: tokens, total_tokens: tokens + 1 }
  return `${finish}${withUsage ? chunk({ choices: [], usage }) : ""}data: [DONE]\n\n`
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const arrivedMs = monotonicMs()
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  const body: CompletionRequest = JSON.parse(Buffer.concat(parts).toString())
  const text = body.messages.at(-1)?.content ?? ""
  const kind = parseFlood(text)
  if (kind !== null) return flood(response, kind)
  const { pace, ...question } = parseQuestion(text)
  const deltas = question.tokens.map(delta)
  if (isWrong) deltas[deltas.length >> 1] = delta("wrong")
  const end = ending(question.tokens.length, body.stream_options?.include_usage === true)
  response.writeHead(200, { "content-type": "text/event-stream" })
  if (pace === "burst") response.end(opening + deltas.join("") + end)
  else speak(response, deltas, end, pace, timesOf(question, arrivedMs))
}

function timesOf({ text }: Question, arrivedMs: number): ModelTimes {
  return (times[text] = { arrivedMs, tokensMs: [] })
}

/** The first token at once, so that what a client waits for it is what the server between them adds. */
function speak(response: ServerResponse, deltas: string[], end: string, pace: number, { tokensMs }: ModelTimes): void {
  let next = 0
  const sayNext = () => {
    if (next === deltas.length) {
      clearInterval(timer)
      response.end(end)
      return
    }
    tokensMs.push(monotonicMs())
    response.write((next === 0 ? opening : "") + deltas[next])
    next += 1
  }
  const timer = setInterval(sayNext, 1000 / pace)
  response.once("close", () => clearInterval(timer))
  sayNext()
}

const server = createServer((request, response) => {
  if (request.url === "/times") {
    response.end(JSON.stringify(times))
    times = {}
    return
  }
  if (request.url === "/calm") {
    endFloods()
    response.end()
    return
  }
  answer(request, response).catch((error: unknown) => {
    console.error(error)
    response.destroy()
  })
})
server.keepAliveTimeout = 60_000
server.listen(Number(process.argv[2]), "127.0.0.1", () => process.send?.("ready"))
process.once("disconnect", () => process.exit())

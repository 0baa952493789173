import { setTimeout as delay } from "node:timers/promises"
import type { BenchDatabase } from "../machine/database.ts"
import { monotonicMs } from "../machine/monotonic.ts"
import type { ModelTimes } from "../model/model-server.ts"
import { type Question, question } from "../model/question.ts"
import type { ModelServer } from "../model/start-model-server.ts"
import type { Subject } from "../servers/server.ts"
import type { Answer } from "./chat-socket.ts"

export interface StreamsPlan {
  tokensPerSecond: number
  /** Length of a reply. */
  tokens: number
  /** Replies of each stream, one after the other. */
  replies: number
}

/** Asks one question of one subject, and resolves when it is answered. */
export type Ask = (question: Question) => Promise<Answer>

export interface StreamsRound {
  microsPerToken: number
  /** Null where the database is part of the engine's process. */
  databaseMicrosPerToken: number | null
  /** CPU time over wall time. */
  shareOfCore: number
  /** From each question until its first token, less what the model took of it. */
  firstTokenMs: number[]
  /** From the model's write of a token until the client has it. */
  tokenMs: number[]
}

/** The streams of a round start over this share of the time that a reply takes. */
const rampShare = 0.5

/** Replies at a person's pace, as many at once as there are streams; measured while all of them run. */
export async function runStreams(
  subject: Subject,
  streams: readonly Ask[],
  { model, database }: { model: ModelServer; database: BenchDatabase },
  plan: StreamsPlan,
  label: string,
): Promise<StreamsRound> {
  const replyMs = (plan.tokens / plan.tokensPerSecond) * 1000
  const rampMs = replyMs * rampShare
  const stream = async (ask: Ask, at: number) => {
    await delay((at / streams.length) * rampMs)
    const answers: Answer[] = []
    for (let reply = 0; reply < plan.replies; reply++) {
      const name = `${subject.name}, ${label}, stream ${at}, reply ${reply}`
      answers.push(await ask(question(name, plan.tokens, plan.tokensPerSecond)))
    }
    return answers
  }
  // Until the first stream has nothing more to say.
  const [answers, window] = await Promise.all([
    Promise.all(streams.map(stream)),
    measureWindow(subject, database, rampMs, plan.replies * replyMs),
  ])
  return roundOf(answers.flat(), window, await model.takeTimes())
}

interface Window {
  fromMs: number
  toMs: number
  cpuMicros: number
  databaseMicros: number | null
}

/** CPU that the subject uses between two moments, given in ms from now. */
async function measureWindow(
  subject: Subject,
  database: BenchDatabase,
  startMs: number,
  endMs: number,
): Promise<Window> {
  await delay(startMs)
  const databaseBefore = database.cpuMicros()
  const cpuBefore = subject.cpuMicros()
  const fromMs = monotonicMs()
  await delay(endMs - startMs)
  const cpuMicros = subject.cpuMicros() - cpuBefore
  const toMs = monotonicMs()
  const databaseMicros = databaseBefore === null ? null : database.cpuMicros()! - databaseBefore
  return { fromMs, toMs, cpuMicros, databaseMicros }
}

function roundOf(answers: Answer[], window: Window, times: Record<string, ModelTimes>): StreamsRound {
  const { fromMs, toMs, cpuMicros, databaseMicros } = window
  const tokenMs: number[] = []
  const firstTokenMs: number[] = []
  for (const { question, askedMs, tokensMs } of answers) {
    const model = times[question.text]
    if (model === undefined) throw new Error(`the model never heard "${question.text}"`)
    firstTokenMs.push(model.arrivedMs - askedMs + tokensMs[0]! - model.tokensMs[0]!)
    tokensMs.forEach((atMs, token) => {
      if (atMs >= fromMs && atMs < toMs) tokenMs.push(atMs - model.tokensMs[token]!)
    })
  }
  return {
    microsPerToken: cpuMicros / tokenMs.length,
    databaseMicrosPerToken: databaseMicros === null ? null : databaseMicros / tokenMs.length,
    shareOfCore: cpuMicros / 1000 / (toMs - fromMs),
    firstTokenMs,
    tokenMs,
  }
}

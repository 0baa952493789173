// A process of its own that does nothing but the database's part of turns. Arguments: the kind of store, its URL.
import { type EngineStore, openEngineStore } from "./engine-store.ts"
import { openFourStatementStore, openNamedCteStore } from "./plain-stores.ts"
import type { StoreKind, TurnStore } from "./turn-store.ts"

export type DriverWork =
  /** `answer`: the text of every reply. */
  | { work: "turns"; turns: number; atOnce: number; answer: string }
  | { work: "begin_replies"; replies: number; beats: number; answer: string }
  | { work: "beat" }

const open = {
  engine: openEngineStore,
  pg_named_cte: openNamedCteStore,
  pg_four_statements: openFourStatementStore,
} as const satisfies Record<StoreKind, (url: string) => Promise<TurnStore | EngineStore>>

const [, , kind, url] = process.argv
const store: TurnStore | EngineStore = await open[kind as StoreKind](url!)
const conversations: string[] = []
let beat = Promise.withResolvers<void>()

async function runTurns(turns: number, atOnce: number, answer: string): Promise<void> {
  while (conversations.length < atOnce) conversations.push(await store.begin())
  let next = 0
  const worker = async (conversationId: string) => {
    while (next < turns) await store.turn(conversationId, `question ${next++}`, answer)
  }
  await Promise.all(conversations.slice(0, atOnce).map(worker))
}

async function run(message: DriverWork): Promise<void> {
  if (message.work === "turns") await runTurns(message.turns, message.atOnce, message.answer)
  else if (message.work === "beat") return beat.resolve()
  else if ("heartbeats" in store) {
    const { replies, beats, answer: text } = message
    const between = () => {
      process.send?.("begun")
      return beat.promise
    }
    await store.heartbeats({ replies, beats, text, between })
    beat = Promise.withResolvers()
  }
  process.send?.("done")
}

process.on("message", (message: DriverWork) => {
  run(message).catch((error: unknown) => {
    console.error(error)
    process.exit(1)
  })
})
process.once("disconnect", () => process.exit())
process.send?.("ready")

import {
  type OfflineModel,
  type OfflineScript,
  type OfflineStep,
  startOfflineModel,
} from "../../src/llm/offline-model.ts"
import { Random } from "./random.ts"

export interface ModelCall {
  /** Everything it says when nothing interrupts it. */
  text: string
  /** A provider bills it: it was not refused before the first token. */
  isPaid: boolean
}

type Behaviour = "answers" | "stalls" | "is slow to begin" | "refuses" | "breaks off"

const words = [
  "bear",
  "honey",
  "river 🏞️",
  "naïve",
  "森",
  "e\u0301clair",
  "🐻‍❄️",
  "den",
  "\n\n",
  "winter",
  "**paws**",
  "…",
]

/** Text by which a message is known to the model, and which no log may hold. */
export const markerPattern = /mark-[\da-f]{24}/

/** What the model was asked and said, by message. */
export class ModelBook {
  readonly #seed: number
  readonly #calls = new Map<string, ModelCall[]>()
  readonly counts = new Map<Behaviour, number>()
  /** No faults of the model any more. */
  isCalm = false

  constructor(seed: number) {
    this.#seed = seed
  }

  callsOf(content: string): readonly ModelCall[] {
    return this.#calls.get(markerPattern.exec(content)?.[0] ?? "") ?? []
  }

  get paid(): number {
    return [...this.#calls.values()].flat().filter(({ isPaid }) => isPaid).length
  }

  get all(): number {
    return [...this.#calls.values()].flat().length
  }

  /** The seed, the message and the number of the call decide what is said, and how. */
  readonly script: OfflineScript = ({ messages }) => {
    const marker = markerPattern.exec(messages.at(-1)?.content ?? "")?.[0] ?? ""
    const calls = this.#calls.get(marker) ?? []
    const random = Random.of(this.#seed, `${marker} ${calls.length}`)
    const behaviour = this.isCalm ? "answers" : behaviourOf(random)
    // No other piece has the bracket, so that it is seen where one answer ends and the next begins.
    const pieces = [`‹${marker.slice(5, 11)}/${calls.length + 1}› `, ...piecesOf(random)]
    calls.push({ text: pieces.join(""), isPaid: behaviour !== "refuses" })
    this.#calls.set(marker, calls)
    this.counts.set(behaviour, (this.counts.get(behaviour) ?? 0) + 1)
    return stepsOf(behaviour, pieces, random)
  }
}

export function startChaosModel(book: ModelBook): Promise<OfflineModel> {
  return startOfflineModel({ script: book.script, tokensPerSecond: Number.POSITIVE_INFINITY })
}

function behaviourOf(random: Random): Behaviour {
  const draw = random.next()
  if (draw < 0.04) return "refuses"
  if (draw < 0.08) return "breaks off"
  if (draw < 0.16) return "stalls"
  return draw < 0.22 ? "is slow to begin" : "answers"
}

function piecesOf(random: Random): string[] {
  return Array.from({ length: random.integer(1, 80) }, () => `${random.pick(words)}${random.chance(0.8) ? " " : ""}`)
}

function* stepsOf(behaviour: Behaviour, pieces: string[], random: Random): Generator<OfflineStep> {
  if (behaviour === "refuses") return yield { status: random.pick([500, 503, 429]) }
  if (behaviour === "is slow to begin") yield { delayMs: random.between(1000, 5000) }
  const delayMs = random.between(2, 60)
  const turningPoint = random.integer(1, pieces.length)
  for (const [index, text] of pieces.entries()) {
    if (index === turningPoint && behaviour === "stalls") yield { delayMs: random.between(1000, 6000) }
    if (index === turningPoint && behaviour === "breaks off") return yield { cut: true }
    yield { text }
    yield { delayMs }
  }
  if (behaviour === "breaks off") return yield { cut: true }
  yield { finish: "stop" }
}

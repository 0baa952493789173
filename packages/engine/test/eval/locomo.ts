import { readFile } from "node:fs/promises"

export interface Turn {
  id: string
  /** The user is the first of the two speakers. */
  role: "user" | "assistant"
  text: string
}

export interface Question {
  /** As it stands in the file. */
  text: string
  /** As the user would ask the companion: the speakers' names are "I" and "you". */
  asked: string
  category: number
  /** Ids of turns. */
  evidence: string[]
}

export interface Sample {
  id: string
  sessions: { at: Date; turns: Turn[] }[]
  questions: Question[]
}

interface RawTurn {
  speaker: string
  dia_id: string
  text: string
  blip_caption?: string
}

interface RawSample {
  sample_id: string
  conversation: Record<string, unknown>
  qa: { question: string; category: number; evidence: string[] }[]
}

const sessionsMax = 100

/** Reads a file of LoCoMo's form. @throws where there is none, or it has another form */
export async function readLocomo(path: string): Promise<Sample[]> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the form of the file is documented beside it
  const samples = JSON.parse(await readFile(path, "utf8")) as RawSample[]
  return samples.map(toSample)
}

function toSample({ sample_id: id, conversation, qa }: RawSample): Sample {
  const [user, companion] = [String(conversation["speaker_a"]), String(conversation["speaker_b"])]
  const sessions: Sample["sessions"] = []
  const known = new Set<string>()
  for (let number = 1; number <= sessionsMax; number++) {
    const raw = conversation[`session_${number}`]
    if (!Array.isArray(raw)) continue
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
    const turns = (raw as RawTurn[]).map(({ dia_id, speaker, text, blip_caption: caption }): Turn => {
      known.add(dia_id)
      const role = speaker === user ? "user" : "assistant"
      return { id: dia_id, role, text: caption === undefined ? text : `${text} [${caption}]` }
    })
    sessions.push({ at: toDate(String(conversation[`session_${number}_date_time`])), turns })
  }
  const questions: Question[] = []
  for (const { question: text, category, evidence } of qa) {
    const ids = evidence.flatMap((given) => Array.from(given.matchAll(/D(\d+):(\d+)/g), ([, d, m]) => `D${+d!}:${+m!}`))
    const found = [...new Set(ids)].filter((turn) => known.has(turn))
    const asked = named(named(text, user, "I", "my"), companion, "you", "your")
    if (found.length > 0) questions.push({ text, asked, category, evidence: found })
  }
  return { id, sessions, questions }
}

/** "1:56 pm on 8 May, 2023", taken as UTC. */
function toDate(text: string): Date {
  const [, hour, minute, half, day, month, year] = /^(\d+):(\d+) (am|pm) on (\d+) (\w+), (\d+)$/.exec(text) ?? []
  const date = new Date(`${day} ${month} ${year} ${(Number(hour) % 12) + (half === "pm" ? 12 : 0)}:${minute} UTC`)
  if (Number.isNaN(date.getTime())) throw new Error(`A session has a time of another form: ${text}`)
  return date
}

function named(text: string, name: string, subject: string, possessive: string): string {
  const escaped = name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
  return text
    .replaceAll(new RegExp(String.raw`\b${escaped}['’]s\b`, "gi"), possessive)
    .replaceAll(new RegExp(String.raw`\b${escaped}\b`, "gi"), subject)
}

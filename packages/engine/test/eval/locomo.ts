import { readFile } from "node:fs/promises"
import * as z from "zod"

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

const rawTurns = z.array(
  z.object({ speaker: z.string(), dia_id: z.string(), text: z.string(), blip_caption: z.string().optional() }),
)
const rawSamples = z.array(
  z.object({
    sample_id: z.string(),
    conversation: z.looseObject({ speaker_a: z.string(), speaker_b: z.string() }),
    qa: z.array(z.object({ question: z.string(), category: z.number(), evidence: z.array(z.string()) })),
  }),
)

const sessionsMax = 100

/** Reads a file of LoCoMo's form. @throws where there is none; an `Error` that says where it has another form */
export async function readLocomo(path: string): Promise<Sample[]> {
  const text = await readFile(path, "utf8")
  try {
    return rawSamples.parse(JSON.parse(text)).map(toSample)
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error)
    throw new Error(`${path} has another form: ${reason}`, { cause: error })
  }
}

function toSample({ sample_id: id, conversation, qa }: z.infer<typeof rawSamples>[number]): Sample {
  const { speaker_a: user, speaker_b: companion } = conversation
  const sessions: Sample["sessions"] = []
  const known = new Set<string>()
  for (let number = 1; number <= sessionsMax; number++) {
    const raw = conversation[`session_${number}`]
    if (raw === undefined) continue
    const turns = rawTurns.parse(raw).map(({ dia_id, speaker, text, blip_caption: caption }): Turn => {
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

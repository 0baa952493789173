import { readFile } from "node:fs/promises"

export interface Turn {
  id: string
  speaker: string
  text: string
}

export interface Question {
  text: string
  category: number
  /** Ids of turns. */
  evidence: string[]
}

export interface Sample {
  id: string
  speakers: [string, string]
  sessions: { date: string; turns: Turn[] }[]
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

/** Reads a file of LoCoMo's form. @throws where there is none */
export async function readLocomo(path: string): Promise<Sample[]> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the form of the file is documented beside it
  const samples = JSON.parse(await readFile(path, "utf8")) as RawSample[]
  return samples.map(toSample)
}

function toSample({ sample_id: id, conversation, qa }: RawSample): Sample {
  const sessions: Sample["sessions"] = []
  const known = new Set<string>()
  for (let number = 1; number <= 100; number++) {
    const raw = conversation[`session_${number}`]
    if (!Array.isArray(raw)) continue
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
    const turns = (raw as RawTurn[]).map(({ dia_id, speaker, text, blip_caption: caption }) => {
      known.add(dia_id)
      return { id: dia_id, speaker, text: caption === undefined ? text : `${text} [${caption}]` }
    })
    sessions.push({ date: String(conversation[`session_${number}_date_time`]), turns })
  }
  const questions: Question[] = []
  for (const { question, category, evidence } of qa) {
    const ids = evidence.flatMap((given) => Array.from(given.matchAll(/D(\d+):(\d+)/g), ([, d, m]) => `D${+d!}:${+m!}`))
    const found = [...new Set(ids)].filter((id) => known.has(id))
    if (found.length > 0) questions.push({ text: question, category, evidence: found })
  }
  const speakers: Sample["speakers"] = [String(conversation["speaker_a"]), String(conversation["speaker_b"])]
  return { id, speakers, sessions, questions }
}

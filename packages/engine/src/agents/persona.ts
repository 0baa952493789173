import { readFile } from "node:fs/promises"
import * as z from "zod"
import { grizzPersona } from "./persona/grizz.ts"

/** Who the companion is, as versioned data. */
const personaSchema = z.object({
  name: z.string().trim().min(1).max(100),
  /** Recorded with what the persona said; changes whenever its prompt does. */
  version: z.string().trim().min(1).max(50),
  systemPrompt: z.string().trim().min(1).max(100_000),
})
export type Persona = z.infer<typeof personaSchema>

/**
 * The persona in `file`, or the one that ships with the engine when it is undefined. The file is Markdown: the prompt,
 * after a head of `name:` and `version:` between two lines of `---`.
 * @throws Error in one sentence when there is none that can be used
 */
export async function loadPersona(file: string | undefined): Promise<Persona> {
  if (file === undefined) return grizzPersona
  return parsePersona(await read(file), file)
}

/** @throws Error in one sentence, which names `source` */
export function parsePersona(text: string, source: string): Persona {
  const parts = /^\uFEFF?---\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)([\s\S]*)$/.exec(text)
  if (parts === null) throw new Error(`The persona file ${source} must begin with a head between two lines of "---".`)
  const [, head = "", body = ""] = parts
  const persona = personaSchema.safeParse({ ...fieldsOf(head), systemPrompt: body })
  if (persona.success) return persona.data
  const fields = { name: "a name", version: "a version", systemPrompt: "a prompt after its head" }
  const wrong = new Set(persona.error.issues.map((issue) => String(issue.path[0])))
  const wanted = Object.entries(fields).filter(([field]) => wrong.has(field))
  throw new Error(
    `The persona file ${source} needs ${wanted.map(([, what]) => what).join(" and ")} of a sensible length.`,
  )
}

async function read(file: string): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(file))
  } catch (error) {
    const why = error instanceof Error && "code" in error ? ` (${String(error.code)})` : ""
    throw new Error(`The persona file ${file} cannot be read${why}.`, { cause: error })
  }
}

function fieldsOf(head: string): Record<string, string> {
  const lines = head.split(/\r?\n/).filter((line) => line.includes(":"))
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":")
      return [line.slice(0, colon).trim(), unquoted(line.slice(colon + 1).trim())]
    }),
  )
}

function unquoted(value: string): string {
  return /^"(.*)"$/.exec(value)?.[1] ?? /^'(.*)'$/.exec(value)?.[1] ?? value
}

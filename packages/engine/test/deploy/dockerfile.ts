import { readFileSync } from "node:fs"
import { join } from "node:path"

export const repository = join(import.meta.dirname, "../../../..")

export interface Instruction {
  name: string
  /** What follows the name, continued lines joined. */
  text: string
}

/** The stages of deploy/Dockerfile in order, each with its instructions from `FROM` on. */
export function readStages(): Instruction[][] {
  const text = readFileSync(join(repository, "deploy/Dockerfile"), "utf8")
  const lines = text
    .replace(/^#.*\n/gm, "")
    .replace(/\\\n\s*/g, "")
    .split("\n")
  const stages: Instruction[][] = []
  for (const line of lines.filter((line) => line.trim() !== "")) {
    const [, name, rest] = /^([A-Z]+) (.+)$/.exec(line) ?? []
    if (name === undefined || rest === undefined)
      throw new Error(`deploy/Dockerfile has a line that is no instruction: ${line}`)
    if (name === "FROM") stages.push([])
    stages.at(-1)?.push({ name, text: rest })
  }
  return stages
}

export interface Copy {
  /** Stage that it copies from; undefined: the folder that is built. */
  from: string | undefined
  sources: string[]
  target: string
}

export function copiesOf(stage: Instruction[]): Copy[] {
  return stage
    .filter(({ name }) => name === "COPY")
    .map(({ text }) => {
      const words = text.split(" ")
      const from = words[0]?.startsWith("--from=") ? words.shift()?.slice("--from=".length) : undefined
      return { from, sources: words.slice(0, -1), target: words.at(-1) ?? "" }
    })
}

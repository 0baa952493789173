export type Verdict = "ok" | "warn" | "fail"

/** What one check found; a line for a person. */
export interface Finding {
  verdict: Verdict
  name: string
  /** One sentence. Never a secret. */
  sentence: string
  /** What to do about it. */
  remedy?: string | undefined
}

export const ok = (name: string, sentence: string): Finding => ({ verdict: "ok", name, sentence })

export const warn = (name: string, sentence: string, remedy: string): Finding => ({
  verdict: "warn",
  name,
  sentence,
  remedy,
})

export const fail = (name: string, sentence: string, remedy: string): Finding => ({
  verdict: "fail",
  name,
  sentence,
  remedy,
})

export function lineOf({ verdict, name, sentence, remedy }: Finding): string {
  const line = `${verdict.padEnd(4)}  ${name.padEnd(13)}  ${sentence}`
  return remedy === undefined ? line : `${line} — ${remedy}`
}

/** Names the reason of a failure to reach something, as a part of a sentence. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === "TimeoutError") return "no answer in time"
  const innermost = error.cause instanceof Error ? reasonOf(error.cause) : error.message
  const code = "code" in error && typeof error.code === "string" ? error.code : ""
  return innermost === "" ? code : innermost.replaceAll(/\s+/g, " ").replace(/\.$/, "")
}

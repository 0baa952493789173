import { type Finding, fail, ok, warn } from "./finding.ts"

const warnMs = 5_000
const failMs = 60_000

/** @param aheadMs how far this machine's clock is ahead of the other one's */
export function clockFinding(name: string, aheadMs: number): Finding {
  const seconds = Math.round(Math.abs(aheadMs) / 1000)
  if (seconds * 1000 < warnMs) return ok(name, "This machine's clock agrees with it.")
  const sentence = `This machine's clock is ${seconds} s ${aheadMs > 0 ? "ahead of" : "behind"} it.`
  // Leases use the database's clock; what a token's times and a user's day are measured by is this machine's.
  const remedy = "synchronise it (NTP): tokens and days are judged by it"
  return seconds * 1000 < failMs ? warn(name, sentence, remedy) : fail(name, sentence, remedy)
}

import type { Stored } from "./ledger.ts"
import type { Told, ViolationKind } from "./told.ts"

/** Violations that are planted into the ledger's copy of the database, to see that it notices each by its name. */
export const plants = [
  "lost",
  "text",
  "unended",
  "duplicate",
  "gap",
  "calls",
] as const satisfies readonly ViolationKind[]
export type Plant = (typeof plants)[number]

/** Completed replies from which on there is enough to plant into: a retry or a second call spoils some. */
const completedMin = 5

/** Whether clients were told enough for every violation to be planted. */
export function hasMaterial({ sends, ends }: Told): boolean {
  const completed = [...ends.values()].filter((told) => [...told.keys()].some((end) => end.includes('"completed"')))
  return completed.length >= completedMin && [...sends.values()].some(({ isAcknowledged }) => isAcknowledged)
}

/** False where there is nothing to plant it into; then nothing is planted. */
export function plantViolation(what: Plant, { sends }: Told, { messages, replies }: Stored): boolean {
  const message = messages.find(({ id }) => sends.get(id)?.isAcknowledged)
  const answers = Map.groupBy(replies, ({ messageId }) => messageId)
  // A retry's own calls would hide that those of the other reply are not recorded.
  const reply = replies.find(
    (one) => one.status === "completed" && one.text && answers.get(one.messageId)?.length === 1,
  )
  if (message === undefined || reply === undefined) return false
  switch (what) {
    case "lost":
      messages.splice(messages.indexOf(message), 1)
      break
    case "text":
      reply.text += "?"
      break
    case "unended":
      reply.status = "running"
      break
    case "duplicate":
      replies.push({ ...reply, id: crypto.randomUUID(), position: reply.position + 1_000_000 })
      break
    case "gap":
      reply.position += 1_000_000
      break
    case "calls":
      reply.attempt = 0
  }
  return true
}

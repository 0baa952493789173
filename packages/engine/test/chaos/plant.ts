import type { Stored } from "./ledger.ts"

/** Violations that are planted into the ledger's copy of the database, to see that it notices them. */
export const plants = ["lost", "text", "unended", "duplicate", "gap", "calls"] as const
export type Plant = (typeof plants)[number]

export function plantViolation(what: Plant, { messages, replies }: Stored): void {
  const message = messages.find(({ role }) => role === "user")
  const reply = replies.find(({ status, text }) => status === "completed" && text !== "")
  if (message === undefined || reply === undefined) throw new Error("There is nothing to plant a violation into.")
  switch (what) {
    case "lost":
      messages.splice(messages.indexOf(message), 1)
      return
    case "text":
      reply.text += "?"
      return
    case "unended":
      reply.status = "running"
      return
    case "duplicate":
      replies.push({ ...reply, id: crypto.randomUUID(), position: reply.position + 1_000_000 })
      return
    case "gap":
      reply.position += 1_000_000
      return
    case "calls":
      reply.attempt = 0
  }
}

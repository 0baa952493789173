import * as z from "zod"
import type { Message, ReplyEnd, RunningReply } from "../domain.ts"

const position = z.int().nonnegative()
const attempt = z.int().positive()
const length = z.int().nonnegative()

/** Written by an engine and passed on as it is: what a newer release adds to it must not get lost on the way. */
const passedOn = <T extends object>() => z.custom<T>((value) => typeof value === "object" && value !== null)

/** What nodes tell each other about one conversation. Offsets and lengths are UTF-16 units. */
const liveEntry = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("message"),
    message: passedOn<Message>(),
    replyId: z.string(),
    foundIdle: z.boolean().optional(),
  }),
  /** All that there is of a reply: it begins, its whole text is said again, or it ends (then the end has the text). */
  z.object({
    type: z.literal("whole"),
    reply: passedOn<RunningReply>(),
    text: z.string(),
    end: passedOn<ReplyEnd>().nullable(),
  }),
  /** More text of the attempt, from `offset` on. */
  z.object({ type: z.literal("text"), position, attempt, offset: length, text: z.string() }),
  /** The reply still runs, and its text is that long. */
  z.object({ type: z.literal("beat"), position, attempt, length }),
  /** Something was not told here: the database knows it. */
  z.object({ type: z.literal("look") }),
  z.object({ type: z.literal("removed"), messageId: z.string(), count: z.int().positive() }),
  z.object({ type: z.literal("dropped") }),
])
export type LiveEntry = z.infer<typeof liveEntry>

const envelope = z.object({ origin: z.string(), entry: liveEntry })
export type Envelope = z.infer<typeof envelope>

/** @param origin names the node, which ignores what comes back to it */
export function encodeEntry(origin: string, entry: LiveEntry): string {
  return JSON.stringify({ origin, entry } satisfies Envelope)
}

/** Null for what this release does not understand; the database then serves its readers. */
export function decodeEntry(payload: string): Envelope | null {
  try {
    return envelope.safeParse(JSON.parse(payload)).data ?? null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

import type { LogEntry } from "../ports.ts"

/** A reply that is live: its text grows, and one day it has an end. */
export type ReplyEntry = Extract<LogEntry, { kind: "reply" }>

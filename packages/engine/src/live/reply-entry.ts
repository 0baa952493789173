import type { LogEntry } from "../live-ports.ts"

/** An attempt of a reply whose text may still grow. */
export type ReplyEntry = Extract<LogEntry, { kind: "reply" }>

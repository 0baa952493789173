import * as z from "zod"
import { limits } from "./constants.ts"

/** A string that PostgreSQL stores and UTF-8 carries unchanged: no NUL, no lone surrogate. */
export const storableString = z
  .string()
  .refine((text) => !text.includes("\0"), { error: "must not contain NUL (U+0000)" })
  .refine((text) => text.isWellFormed(), { error: "must not contain a lone surrogate" })

/** What a user says: verbatim, not blank. */
export const messageContent = storableString
  .refine((text) => text.length <= limits.contentMaxLength, {
    error: `must not be longer than ${limits.contentMaxLength} UTF-16 units`,
  })
  .refine((text) => text.trim() !== "", { error: "must not be blank" })

/** Free JSON of the client's own, stored beside a message. */
export const messageMetadata = z
  .record(z.string(), z.unknown())
  .refine((value) => depthOf(value, limits.metadataMaxDepth) <= limits.metadataMaxDepth, {
    abort: true,
    error: `must not be nested deeper than ${limits.metadataMaxDepth}`,
  })
  .refine((value) => isStorable(value), { error: "must not contain NUL or a lone surrogate" })
  .refine((value) => new TextEncoder().encode(JSON.stringify(value)).length <= limits.metadataMaxBytes, {
    error: `must not be larger than ${limits.metadataMaxBytes} bytes of JSON`,
  })

function isStorable(value: unknown): boolean {
  if (typeof value === "string") return !value.includes("\0") && value.isWellFormed()
  if (value === null || typeof value !== "object") return true
  return Object.entries(value).every(([key, member]) => isStorable(key) && isStorable(member))
}

/** How deep a value is nested; gives up one level below `max`. */
function depthOf(value: unknown, max: number): number {
  if (value === null || typeof value !== "object") return 0
  if (max === 0) return 1
  return 1 + Object.values(value).reduce<number>((deepest, member) => Math.max(deepest, depthOf(member, max - 1)), 0)
}

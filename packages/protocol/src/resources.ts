import * as z from "zod"
import { limits, messageStatuses, requestErrorCodes } from "./constants.ts"
import { messageContent, messageMetadata, storableString } from "./text.ts"

/** An id of the wire: any UUID, answered in lower case. */
export const uuid = z.guid().toLowerCase()

/** RFC 3339 in UTC. */
export const timestamp = z.iso.datetime()

export const conversationResource = z
  .object({
    id: uuid,
    user_id: uuid,
    title: z.string().nullable(),
    /** The user's calendar day, or null for a conversation outside the calendar. */
    conv_day: z.iso.date().nullable(),
    timezone: z.string().nullable(),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .meta({ id: "Conversation" })
export type ConversationResource = z.infer<typeof conversationResource>

export const messageResource = z
  .object({
    id: uuid,
    conversation_id: uuid,
    /** From 0, ascending, without a tie. */
    position: z.int().min(0),
    role: z.enum(["user", "assistant"]),
    content: z.string(),
    metadata: z.record(z.string(), z.unknown()).nullable(),
    status: z.enum(messageStatuses),
    created_at: timestamp,
  })
  .meta({ id: "Message" })
export type MessageResource = z.infer<typeof messageResource>

const nextCursor = z.string().nullable()
export const conversationPage = z
  .object({ data: z.array(conversationResource), next_cursor: nextCursor })
  .meta({ id: "ConversationPage" })
export type ConversationPage = z.infer<typeof conversationPage>
export const messagePage = z
  .object({ data: z.array(messageResource), next_cursor: nextCursor })
  .meta({ id: "MessagePage" })
export type MessagePage = z.infer<typeof messagePage>

const pageLimit = z.coerce.number().int().min(1).max(limits.pageMax).default(limits.pageDefault)
export const conversationPageQuery = z.strictObject({
  limit: pageLimit,
  cursor: z.string().max(500).optional(),
  /** `false` leaves out those in which nothing was said. */
  empty: z.enum(["true", "false"]).optional(),
})
export const messagePageQuery = z
  .strictObject({
    limit: pageLimit,
    before: z.string().max(500).optional(),
    /** Id of the message that is to be in the page's middle. */
    around: z.string().max(100).optional(),
    superseded: z.enum(["true", "false"]).optional(),
  })
  .refine(({ before, around }) => before === undefined || around === undefined, {
    error: "before and around: one of the two",
  })
export const todayQuery = z.strictObject({ tz: z.string().max(100).default("UTC") })

const title = storableString.max(limits.titleMaxLength).nullable()
export const conversationCreate = z.strictObject({ title: title.optional() })
export const conversationUpdate = z.strictObject({ title })
export const messageCreate = z.strictObject({ id: uuid, content: messageContent, metadata: messageMetadata.optional() })

/** A message that has every word of a query, and where in its content they are. */
export const searchHit = z
  .object({
    message: messageResource,
    conversation: conversationResource.pick({ id: true, title: true, conv_day: true }),
    /** In UTF-16 units of `message.content`: ascending, none within another, the first 200. */
    highlights: z.array(z.object({ start: z.int().min(0), end: z.int().min(1) })),
  })
  .meta({ id: "SearchHit" })
export type SearchHit = z.infer<typeof searchHit>
export const searchPage = z.object({ data: z.array(searchHit), next_cursor: nextCursor }).meta({ id: "SearchPage" })
export type SearchPage = z.infer<typeof searchPage>

export const searchPageQuery = z.strictObject({
  q: storableString.max(limits.searchMaxLength).refine((text) => text.trim() !== "", { error: "must not be blank" }),
  limit: z.coerce.number().int().min(1).max(limits.searchPageMax).default(limits.searchPageDefault),
  cursor: z.string().max(500).optional(),
})

/** Something that is remembered of the user. */
export const memoryResource = z
  .object({
    id: uuid,
    /** `note`: the user wrote it. `fact`, `summary`: derived from what was said. */
    kind: z.enum(["fact", "summary", "note"]),
    text: z.string(),
    pinned: z.boolean(),
    /** Of a summary: the user's calendar day. */
    day: z.iso.date().nullable(),
    /** How many messages it was derived from; none for a note. */
    source_count: z.int().min(0),
    /** The first 20 of them, in order of time. */
    sources: z.array(
      z.object({ message_id: uuid, conversation_id: uuid, role: z.enum(["user", "assistant"]), created_at: timestamp }),
    ),
    valid_from: timestamp,
    /** Null while it holds. */
    valid_to: timestamp.nullable(),
    /** The memory that corrects this one. */
    superseded_by: uuid.nullable(),
    created_at: timestamp,
  })
  .meta({ id: "Memory" })
export type MemoryResource = z.infer<typeof memoryResource>
export const memoryPage = z
  .object({ data: z.array(memoryResource), next_cursor: nextCursor })
  .meta({ id: "MemoryPage" })
export type MemoryPage = z.infer<typeof memoryPage>

export const memoryPageQuery = z.strictObject({
  limit: pageLimit,
  cursor: z.string().max(500).optional(),
  q: storableString.max(limits.memoryMaxLength).optional(),
  superseded: z.enum(["true", "false"]).optional(),
})
const memoryText = storableString
  .max(limits.memoryMaxLength)
  .refine((text) => text.trim() !== "", { error: "must not be blank" })
export const memoryCreate = z.strictObject({ text: memoryText, pinned: z.boolean().default(true) })
export const memoryUpdate = z.strictObject({ text: memoryText.optional(), pinned: z.boolean().optional() })
export const memorySettings = z.strictObject({ paused: z.boolean() }).meta({ id: "MemorySettings" })
export type MemorySettings = z.infer<typeof memorySettings>

/** A message and the reply to it, which has ended. */
export const turn = z.object({ message: messageResource, reply: messageResource }).meta({ id: "Turn" })
export type Turn = z.infer<typeof turn>

/** The new reply, and the message it answers. */
export const retriedReply = z.object({ reply_id: uuid, message_id: uuid }).meta({ id: "RetriedReply" })

export const eventsQuery = z.strictObject({
  after: z.string().optional(),
  ticket: z.string().max(500).optional(),
})

/** Signs in one connection in the place of a token, where a URL is all that a client can set. */
export const ticket = z.object({ ticket: z.string(), expires_at: timestamp }).meta({ id: "Ticket" })

/** RFC 9457, with a stable `code`. */
export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(requestErrorCodes),
  })
  .meta({ id: "Problem" })
export type Problem = z.infer<typeof problem>

export const health = z.object({ status: z.literal("ok") }).meta({ id: "Health" })
export const readiness = z
  .object({
    status: z.enum(["ready", "unavailable"]),
    checks: z.record(z.string(), z.object({ status: z.enum(["ok", "failed"]), detail: z.string().optional() })),
  })
  .meta({ id: "Readiness" })

export const devTokenCreate = z.strictObject({ user_id: uuid.optional() })
export const devToken = z.object({ access_token: z.string(), user_id: uuid }).meta({ id: "DevToken" })

/** What the page needs to know before anyone has signed in. */
export const pageConfig = z
  .object({
    sign_in: z.enum(["development", "supabase"]),
    model: z.enum(["offline", "openai"]),
    supabase_url: z.string().nullable(),
    supabase_publishable_key: z.string().nullable(),
  })
  .meta({ id: "PageConfig" })
export type PageConfig = z.infer<typeof pageConfig>

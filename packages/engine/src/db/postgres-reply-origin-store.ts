import type { UsedContext } from "../domain.ts"
import type { PromptMessage, Quote, RememberedMemory, ReplyOrigin, ReplyOriginStore } from "../memory-ports.ts"
import type { Database, Statement } from "./database.ts"
import { toReplyUsage } from "./rows.ts"

/** `until`: the position of the answered message, also where that was erased: its first reply comes right after it. */
const findReply: Statement = {
  name: "grizz_reply_origin",
  text: `select r.conversation_id::text as conversation_id, r.user_id::text as user_id, r.status, r.model, r.input_tokens,
      r.output_tokens, grizz.rfc3339(r.created_at) as created_at, coalesce(r.started_at, r.created_at)::text as started_at,
      coalesce((select m.position from public.messages m where m.id = r.message_id), r.position - 1) as until,
      (select m.metadata -> 'context' from public.messages m where m.id = r.id) as used,
      (select (m.created_at at time zone grizz.known_zone(c.timezone))::date::text
        from public.messages m join public.conversations c on c.id = m.conversation_id where m.id = r.message_id) as today
    from grizz.replies r where r.id = $1::uuid`,
}

// As grizz.context_before, and with what was erased only after the reply began.
const readWindow: Statement = {
  name: "grizz_reply_origin_window",
  text: `select w.role, w.content, grizz.rfc3339(w.created_at) as created_at from (
      (select m.position, m.role, m.content, m.created_at from public.messages m
        where m.conversation_id = $1::uuid and m.position <= $2::integer and m.role in ('user', 'assistant')
          and m.content <> '' and not coalesce((
            select true from grizz.replies r where r.id = m.id and r.superseded_by is not null
          ), false)
        order by m.position desc limit $4::integer)
      union all
      (select e.position, null, null, null from grizz.erased_messages e
        where e.conversation_id = $1::uuid and e.position <= $2::integer and e.erased_at > $3::text::timestamptz
        order by e.position desc limit $4::integer)
      order by position desc limit $4::integer
    ) w order by w.position`,
}

const readMemories: Statement = {
  name: "grizz_reply_origin_memories",
  text: `select m.id::text as id, m.kind, m.text, m.is_pinned as "isPinned",
      coalesce(m.day, (m.valid_from at time zone 'UTC')::date)::text as since
    from grizz.memories m where m.user_id = $1::uuid and m.id = any ($2::uuid[])`,
}

const readQuotes: Statement = {
  name: "grizz_reply_origin_quotes",
  text: `select m.id::text as id, m.role, m.content as text, grizz.rfc3339(m.created_at) as "createdAt",
      (m.created_at at time zone z.zone)::date::text as day
    from public.messages m join public.conversations c on c.id = m.conversation_id,
      (select grizz.known_zone(k.timezone) as zone from public.conversations k where k.id = $3::uuid) z
    where c.user_id = $1::uuid and m.id = any ($2::uuid[])`,
}

interface ReplyRow {
  conversation_id: string
  user_id: string
  status: string
  model: string | null
  input_tokens: number | null
  output_tokens: number | null
  created_at: string
  started_at: string
  until: number
  used: UsedContext | null
  today: string | null
}

interface MessageRow {
  role: "user" | "assistant" | null
  content: string | null
  created_at: string | null
}

/** What replies were made of, in PostgreSQL. */
export class PostgresReplyOriginStore implements ReplyOriginStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async find(replyId: string, contextMessages: number): Promise<ReplyOrigin | null> {
    const [reply] = await this.#database.query<ReplyRow>(findReply, [replyId])
    if (reply === undefined) return null
    const { conversation_id: conversationId, user_id: userId, status, model, created_at: createdAt, used } = reply
    const parameters = [conversationId, reply.until, reply.started_at, used?.messages ?? contextMessages]
    const window = await this.#database.query<MessageRow>(readWindow, parameters)
    const memories = await this.#database.query<RememberedMemory>(readMemories, [userId, used?.memories ?? []])
    const quotes = await this.#database.query<Quote>(readQuotes, [userId, used?.quotes ?? [], conversationId])
    return {
      replyId,
      conversationId,
      status,
      model,
      usage: toReplyUsage(reply),
      createdAt,
      used,
      today: reply.today,
      window: window.map(toPromptMessage),
      memories: new Map(memories.map((memory) => [memory.id, memory])),
      quotes: new Map(quotes.map((quote) => [quote.id, quote])),
    }
  }
}

function toPromptMessage({ role, content, created_at: createdAt }: MessageRow): PromptMessage {
  return { role, content, createdAt }
}

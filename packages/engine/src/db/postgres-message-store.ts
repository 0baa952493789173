import type { Message } from "../domain.ts"
import type { MessagePageRequest, MessageStore, PageAroundRequest } from "../ports.ts"
import type { Database, Statement } from "./database.ts"
import { type MessageJson, messageJson, messagesWithReplies, toMessage } from "./rows.ts"

const maxPosition = 2_147_483_647

/** Messages of `c` that history shows, as far as `where` says; superseded ones where $4 says so. */
const shown = (where: string) => `select m.position, ${messageJson} as message
        from ${messagesWithReplies}
        where m.conversation_id = c.id and m.role in ('user', 'assistant')
          and ($4::boolean or r.superseded_by is null) and ${where}`

const newestPage: Statement = {
  name: "grizz_message_page",
  text: `select coalesce((
      select json_agg(page.message order by page.position)
      from (${shown("m.position < $3::integer")} order by m.position desc limit $5::integer) page
    ), '[]') as messages
    from public.conversations c where c.id = $2::uuid and c.user_id = $1::uuid`,
}

const pageAround: Statement = {
  name: "grizz_message_page_around",
  text: `select coalesce((
      select json_agg(page.message order by page.position)
      from (
        (${shown("m.position < sought.position")} order by m.position desc limit $5::integer)
        union all
        (${shown("m.position >= sought.position")} order by m.position limit $6::integer)
      ) page
    ), '[]') as messages
    from public.conversations c join public.messages sought on sought.conversation_id = c.id and sought.id = $3::uuid
    where c.id = $2::uuid and c.user_id = $1::uuid`,
}

/** A conversation's history in PostgreSQL. */
export class PostgresMessageStore implements MessageStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async page(
    userId: string,
    conversationId: string,
    { limit, before = maxPosition, superseded }: MessagePageRequest,
  ): Promise<Message[] | null> {
    const parameters = [userId, conversationId, before, superseded, limit]
    const [row] = await this.#database.query<{ messages: MessageJson[] }>(newestPage, parameters)
    return row === undefined ? null : row.messages.map((message) => toMessage(conversationId, message))
  }

  async pageAround(
    userId: string,
    conversationId: string,
    { messageId, earlier, later, superseded }: PageAroundRequest,
  ): Promise<Message[] | null> {
    const parameters = [userId, conversationId, messageId, superseded, earlier, later]
    const [row] = await this.#database.query<{ messages: MessageJson[] }>(pageAround, parameters)
    return row === undefined ? null : row.messages.map((message) => toMessage(conversationId, message))
  }
}

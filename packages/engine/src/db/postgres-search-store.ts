import type { FoundMessage } from "../domain.ts"
import type { SearchRequest, SearchStore } from "../ports.ts"
import type { Database, Statement } from "./database.ts"
import { type MessageJson, messageJson, messagesWithReplies, toMessage } from "./rows.ts"

interface FoundJson {
  message: MessageJson
  conversation: { id: string; title: string | null; conv_day: string | null }
}

const search: Statement = {
  name: "grizz_search",
  text: `with asked as materialized (select grizz.search_terms($1::uuid, $2::text[], $3::integer[]) as wanted),
    found as materialized (
      select m.content, m.created_at, m.id, ${messageJson} as message,
        json_build_object('id', c.id, 'title', c.title, 'conv_day', c.conv_day) as conversation
      from asked a,
        unnest(grizz.search_messages($1::uuid, a.wanted, coalesce($4::text, 'infinity')::timestamptz,
          coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'), $6::integer)) found_id,
        ${messagesWithReplies}, public.conversations c
      where m.id = found_id and c.id = m.conversation_id and c.user_id = $1::uuid
    )
    select coalesce(json_agg(json_build_object('message', f.message, 'conversation', f.conversation)
        order by f.created_at desc, f.id desc), '[]') as found,
      grizz.matched_words($1::uuid, (select a.wanted from asked a), coalesce(array_agg(f.content), '{}')) as matched
    from found f`,
}

/** What was said, by its words, in PostgreSQL. */
export class PostgresSearchStore implements SearchStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async find(
    userId: string,
    { words, limit, before }: SearchRequest,
  ): Promise<{ found: FoundMessage[]; matched: string[] }> {
    const places = words.flatMap((forms, place) => forms.map(() => place))
    const parameters = [userId, words.flat(), places, before?.createdAt ?? null, before?.id ?? null, limit]
    const [row] = await this.#database.query<{ found: FoundJson[]; matched: string[] }>(search, parameters)
    return { found: row!.found.map(toFound), matched: row!.matched }
  }
}

function toFound({ message, conversation: { id, title, conv_day: day } }: FoundJson): FoundMessage {
  return { message: toMessage(id, message), conversation: { id, title, day } }
}

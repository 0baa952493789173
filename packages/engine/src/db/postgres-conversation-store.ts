import type { Conversation } from "../domain.ts"
import type { ConversationPageRequest, ConversationStore } from "../ports.ts"
import type { Database, Parameter, Statement } from "./database.ts"
import { type ConversationRow, conversationColumns, toConversation } from "./rows.ts"

const findToday: Statement = {
  name: "grizz_find_today",
  text: `select ${conversationColumns} from public.conversations c where c.user_id = $1::uuid and c.conv_day = $2::date`,
}

const insertToday: Statement = {
  name: "grizz_insert_today",
  text: `insert into public.conversations as c (id, user_id, conv_day, timezone, created_at, updated_at)
    values ($1::uuid, $2::uuid, $3::date, $4, now(), now())
    on conflict do nothing
    returning ${conversationColumns}`,
}

const insert: Statement = {
  name: "grizz_insert_conversation",
  text: `insert into public.conversations as c (id, user_id, title, created_at, updated_at)
    values ($1::uuid, $2::uuid, $3, now(), now())
    returning ${conversationColumns}`,
}

/** Something was said in `c`, as its history tells. */
const isSpokenIn = `exists (
      select from public.messages m where m.conversation_id = c.id and m.role in ('user', 'assistant')
    )`

const listNewest: Statement = {
  name: "grizz_list_conversations",
  text: `select ${conversationColumns} from public.conversations c
    where c.user_id = $1::uuid and ($3::boolean or ${isSpokenIn})
    order by c.updated_at desc, c.id desc limit $2::integer`,
}

const listBefore: Statement = {
  name: "grizz_list_conversations_before",
  text: `select ${conversationColumns} from public.conversations c
    where c.user_id = $1::uuid and ($3::boolean or ${isSpokenIn})
      and (c.updated_at, c.id) < ($4::text::timestamptz, $5::uuid)
    order by c.updated_at desc, c.id desc limit $2::integer`,
}

const findOne: Statement = {
  name: "grizz_find_conversation",
  text: `select ${conversationColumns} from public.conversations c where c.id = $2::uuid and c.user_id = $1::uuid`,
}

const renameOne: Statement = {
  name: "grizz_rename_conversation",
  text: `update public.conversations c
    set title = $3, updated_at = greatest(clock_timestamp(), c.updated_at + interval '1 microsecond')
    where c.id = $2::uuid and c.user_id = $1::uuid
    returning ${conversationColumns}`,
}

const deleteOne: Statement = {
  name: "grizz_delete_conversation",
  text: "select grizz.delete_conversation($1::uuid, $2::uuid) as is_gone",
}

/** Conversations in PostgreSQL. Times have microseconds, so that `list` neither skips nor repeats a row. */
export class PostgresConversationStore implements ConversationStore {
  readonly #database: Database
  readonly #newId: () => string

  constructor(database: Database, newId: () => string) {
    this.#database = database
    this.#newId = newId
  }

  async today(userId: string, day: string, timezone: string): Promise<Conversation> {
    // Insert … on conflict do nothing: two tabs opening at midnight get the same row.
    const row =
      (await this.#first(findToday, [userId, day])) ??
      (await this.#first(insertToday, [this.#newId(), userId, day, timezone])) ??
      (await this.#first(findToday, [userId, day]))
    if (row === null) throw new Error("The conversation of the day was deleted while it was made.")
    return row
  }

  async create(userId: string, title: string | null): Promise<Conversation> {
    const row = await this.#first(insert, [this.#newId(), userId, title])
    if (row === null) throw new Error("An insert returned no row.")
    return row
  }

  async list(userId: string, { limit, before, empty = true }: ConversationPageRequest): Promise<Conversation[]> {
    const rows = await (before === undefined
      ? this.#database.query<ConversationRow>(listNewest, [userId, limit, empty])
      : this.#database.query<ConversationRow>(listBefore, [userId, limit, empty, before.updatedAt, before.id]))
    return rows.map(toConversation)
  }

  find(userId: string, conversationId: string): Promise<Conversation | null> {
    return this.#first(findOne, [userId, conversationId])
  }

  rename(userId: string, conversationId: string, title: string | null): Promise<Conversation | null> {
    return this.#first(renameOne, [userId, conversationId, title])
  }

  async delete(userId: string, conversationId: string): Promise<boolean> {
    const [row] = await this.#database.query<{ is_gone: boolean }>(deleteOne, [userId, conversationId])
    return row!.is_gone
  }

  async #first(statement: Statement, parameters: Parameter[]): Promise<Conversation | null> {
    const [row] = await this.#database.query<ConversationRow>(statement, parameters)
    return row === undefined ? null : toConversation(row)
  }
}

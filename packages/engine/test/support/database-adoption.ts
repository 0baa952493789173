import type { Database } from "../../src/db/database.ts"

/** One shape in which the Python engine may have left its two tables. */
export interface OldSchema {
  name: string
  /** Definition of the column, or null where it is missing. */
  title: string | null
  convDay: string | null
  tz: string | null
  time: "timestamp" | "timestamptz"
  hasIndex: boolean
  /** Further columns, with what the old engine writes into them. */
  unknown?: { conversations: string; messages: string } | undefined
}

const usual: OldSchema = {
  name: "as documented",
  title: "varchar",
  convDay: "date",
  tz: "varchar",
  time: "timestamp",
  hasIndex: true,
}

export const oldSchemas: OldSchema[] = [
  usual,
  { ...usual, name: "without title", title: null },
  { ...usual, name: "without tz", tz: null },
  { ...usual, name: "without conv_day", convDay: null },
  { ...usual, name: "without the index", hasIndex: false },
  {
    ...usual,
    name: "title, tz and conv_day not null",
    title: "varchar(80) not null",
    tz: "varchar(64) not null",
    convDay: "date not null",
  },
  { ...usual, name: "times with a zone", time: "timestamptz" },
  {
    ...usual,
    name: "unknown columns, not null, with and without a default",
    unknown: {
      conversations: "mood varchar not null, version integer not null default 3",
      messages: "channel varchar not null, tokens integer not null default 0",
    },
  },
  { name: "the least there can be", title: null, convDay: null, tz: null, time: "timestamptz", hasIndex: false },
]

/** Makes the old tables in a database without migrations, or anew in one that had them. */
export async function createOldTables(database: Database, schema: OldSchema): Promise<void> {
  const column = (name: string, definition: string | null) => (definition === null ? "" : `${name} ${definition},`)
  const extra = (definition: string | undefined) => (definition === undefined ? "" : `${definition},`)
  const times = `created_at ${schema.time} default now() not null`
  await database.session(async (session) => {
    await session.script(`
      drop schema if exists grizz cascade;
      drop table if exists public.messages, public.conversations;
      create table conversations (id uuid primary key, user_id uuid not null, ${column("title", schema.title)}
        ${column("conv_day", schema.convDay)} ${column("tz", schema.tz)} ${extra(schema.unknown?.conversations)} ${times});
      create table messages (id uuid primary key,
        conversation_id uuid not null references conversations(id) on delete cascade, user_id uuid,
        role varchar(20) not null, content text not null, metadata jsonb, ${extra(schema.unknown?.messages)} ${times});
      ${schema.hasIndex ? "create index ix_messages_conversation_id_created_at on messages (conversation_id, created_at);" : ""}`)
  })
}

export interface OldConversation {
  id: string
  userId: string
  day: string
  zone: string
  /** Naive UTC, as the old engine's ORM sends it; absent where the column's default decides. */
  at?: string
}

export interface OldMessage {
  id: string
  conversationId: string
  userId: string | null
  role: string
  content: string
  at?: string
}

/** Inserts as the old engine's ORM does: its own list of columns, times as explicit naive values. */
export class OldEngine {
  readonly #schema: OldSchema

  constructor(schema: OldSchema) {
    this.#schema = schema
  }

  conversation({ id, userId, day, zone, at }: OldConversation): string {
    const { title, convDay, tz, unknown } = this.#schema
    return insert("conversations", [
      ["id", quote(id)],
      ["user_id", quote(userId)],
      ...(title === null ? [] : [["title", quote(`Chat ${day}`)] as const]),
      ...(convDay === null ? [] : [["conv_day", quote(day)] as const]),
      ...(tz === null ? [] : [["tz", quote(zone)] as const]),
      ...(unknown === undefined ? [] : [["mood", "'calm'"] as const]),
      ...this.#time(at),
    ])
  }

  message({ id, conversationId, userId, role, content, at }: OldMessage): string {
    return insert("messages", [
      ["id", quote(id)],
      ["conversation_id", quote(conversationId)],
      ["user_id", userId === null ? "null" : quote(userId)],
      ["role", quote(role)],
      ["content", quote(content)],
      ["metadata", '\'{"source": "python"}\'::jsonb'],
      ...(this.#schema.unknown === undefined ? [] : [["channel", "'web'"] as const]),
      ...this.#time(at),
    ])
  }

  /** A model with naive times casts to timestamp, whatever the column is; one with zones sends the zone. */
  #time(at: string | undefined): (readonly [string, string])[] {
    if (at === undefined) return []
    const value = this.#schema.time === "timestamp" ? `${quote(at)}::timestamp` : `${quote(`${at}Z`)}::timestamptz`
    return [["created_at", value]]
  }
}

function insert(table: string, columns: (readonly [string, string])[]): string {
  const names = columns.map(([name]) => name).join(", ")
  return `insert into ${table} (${names}) values (${columns.map(([, value]) => value).join(", ")});`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

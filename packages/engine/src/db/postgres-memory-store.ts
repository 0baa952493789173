import type { Memory, MemoryKind, MemorySource } from "../domain.ts"
import type { FoundQuote, MemoryPageRequest, MemoryStore, Occasion, QuoteLimits, Remembered } from "../memory-ports.ts"
import type { Database, Parameter, Statement } from "./database.ts"
import { occasion } from "./occasion.ts"

interface MemoryRow {
  id: string
  kind: MemoryKind
  text: string
  is_pinned: boolean
  day: string | null
  source_count: number
  sources: { message_id: string; conversation_id: string; role: "user" | "assistant"; created_at: string }[]
  valid_from: string
  valid_to: string | null
  superseded_by: string | null
  created_at: string
}

/** Of a long day's summary every message is a source: a page of memories would be one of messages. */
const sourcesMax = 20

/** Columns of a MemoryRow from `m`. */
const columns = `m.id::text as id, m.kind, m.text, m.is_pinned, m.day::text as day,
  grizz.rfc3339(m.valid_from) as valid_from, grizz.rfc3339(m.valid_to) as valid_to,
  m.superseded_by::text as superseded_by, grizz.rfc3339(m.created_at) as created_at,
  (select count(*)::integer from grizz.memory_sources s where s.memory_id = m.id) as source_count,
  (select coalesce(json_agg(json_build_object('message_id', g.id, 'conversation_id', g.conversation_id, 'role', g.role,
      'created_at', grizz.rfc3339(g.created_at)) order by g.created_at, g.id), '[]')
    from (
      select k.* from grizz.memory_sources s join public.messages k on k.id = s.message_id where s.memory_id = m.id
      order by k.created_at, k.id limit ${sourcesMax}
    ) g) as sources`

// The text is looked for as it is: no pattern, so that `%` is a per cent sign.
const list: Statement = {
  name: "grizz_list_memories",
  text: `select ${columns} from grizz.memories m
    where m.user_id = $1::uuid and ($3::boolean or m.superseded_by is null)
      and ($4::text is null or strpos(lower(m.text), lower($4::text)) > 0)
    order by m.created_at desc, m.id desc limit $2::integer`,
}

const listBefore: Statement = {
  name: "grizz_list_memories_before",
  text: `select ${columns} from grizz.memories m
    where m.user_id = $1::uuid and ($3::boolean or m.superseded_by is null)
      and ($4::text is null or strpos(lower(m.text), lower($4::text)) > 0)
      and (m.created_at, m.id) < ($5::text::timestamptz, $6::uuid)
    order by m.created_at desc, m.id desc limit $2::integer`,
}

const find: Statement = {
  name: "grizz_find_memory",
  text: `select ${columns} from grizz.memories m where m.id = $2::uuid and m.user_id = $1::uuid`,
}

const add: Statement = {
  name: "grizz_add_note",
  text: `insert into grizz.memories as m (id, user_id, kind, text, is_pinned)
    values ($2::uuid, $1::uuid, 'note', $3, $4) returning ${columns}`,
}

const correct: Statement = {
  name: "grizz_correct_memory",
  text: "select grizz.correct_memory($1::uuid, $2::uuid, $3::uuid, $4, $5) as outcome",
}

const forget: Statement = {
  name: "grizz_forget_memory",
  text: "select grizz.forget_memory($1::uuid, $2::uuid) as is_gone",
}

// In the order in which they are to be chosen where not all fit: the pinned ones, however old, the newest summary, then
// facts and notes by the words that they share with the question, a word that few of them have counting more, and the newest.
const recollect: Statement = {
  name: "grizz_recollect",
  text: `with ${occasion}, holding as (
      select m.* from grizz.memories m
      where m.user_id = (select u.user_id from of_user u) and m.superseded_by is null and not m.is_pinned
      order by m.created_at desc, m.id desc limit 1000
    ), shared as (
      select h.id, count(*) over (partition by w.word) as spread
      from holding h, lateral unnest(h.words) w(word)
      where w.word in (select unnest(grizz.words_of(a.content)) from asked a)
    ), chosen as (
      (select 1 as choice, 0 as likeness, m.* from grizz.memories m
        where m.user_id = (select u.user_id from of_user u) and m.superseded_by is null and m.is_pinned
        order by m.created_at desc limit 30)
      union all (select 2, 0, h.* from holding h where h.kind = 'summary' order by h.day desc limit 1)
      union all (
        select 3, coalesce(s.likeness, 0) as likeness, h.* from holding h
        left join (select s.id, sum(1.0 / s.spread) as likeness from shared s group by s.id) s on s.id = h.id
        where h.kind <> 'summary' order by likeness desc, h.created_at desc limit 30
      )
    )
    select (
        select coalesce(json_agg(json_build_object(
          'id', h.id, 'kind', h.kind, 'text', h.text, 'isPinned', h.is_pinned,
          'since', coalesce(h.day, (h.valid_from at time zone 'UTC')::date)
        ) order by h.choice, h.likeness desc, h.created_at desc, h.id desc), '[]') from chosen h
      ) as memories, (
        select coalesce(json_agg(json_build_object(
          'id', q.message_id, 'role', q.role, 'text', left(q.content, $5::integer),
          'day', (q.created_at at time zone u.zone)::date, 'createdAt', grizz.rfc3339(q.created_at), 'score', q.score
        ) order by q.ordinality), '[]')
        from of_user u, (
          select r.*, sum(least(length(r.content), $5::integer)) over (order by r.ordinality) as reached
          from of_user u, asked a, lateral grizz.recall(
            u.user_id, a.content, $1::uuid, a.window_from, a.created_at, u.zone, $4::integer
          ) with ordinality r
        ) q where q.reached <= $6::integer
      ) as quotes, (select (a.created_at at time zone u.zone)::date::text from of_user u, asked a) as today`,
}

const readPause: Statement = {
  name: "grizz_read_memory_pause",
  text: "select s.is_paused from grizz.memory_settings s where s.user_id = $1::uuid",
}

const savePause: Statement = {
  name: "grizz_save_memory_pause",
  text: `insert into grizz.memory_settings (user_id, is_paused) values ($1::uuid, $2)
    on conflict (user_id) do update set is_paused = excluded.is_paused`,
}

/** Memories in PostgreSQL. */
export class PostgresMemoryStore implements MemoryStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async list(userId: string, { limit, before, text, superseded }: MemoryPageRequest): Promise<Memory[]> {
    const parameters: Parameter[] = [userId, limit, superseded, text ?? null]
    const rows = await (before === undefined
      ? this.#database.query<MemoryRow>(list, parameters)
      : this.#database.query<MemoryRow>(listBefore, [...parameters, before.createdAt, before.id]))
    return rows.map(toMemory)
  }

  async addNote(userId: string, note: { id: string; text: string; isPinned: boolean }): Promise<Memory> {
    const [row] = await this.#database.query<MemoryRow>(add, [userId, note.id, note.text, note.isPinned])
    return toMemory(row!)
  }

  async correct(
    userId: string,
    memoryId: string,
    change: { id: string; text: string | null; isPinned: boolean | null },
  ): Promise<Memory | "superseded" | null> {
    const parameters = [userId, memoryId, change.id, change.text, change.isPinned]
    const [row] = await this.#database.query<{ outcome: string | null }>(correct, parameters)
    const outcome = row?.outcome ?? null
    if (outcome === null || outcome === "superseded") return outcome
    const [found] = await this.#database.query<MemoryRow>(find, [userId, outcome])
    return found === undefined ? null : toMemory(found)
  }

  async forget(userId: string, memoryId: string): Promise<boolean> {
    const [row] = await this.#database.query<{ is_gone: boolean }>(forget, [userId, memoryId])
    return row!.is_gone
  }

  async recollect(
    { conversationId, position, window }: Occasion,
    limits: QuoteLimits,
  ): Promise<Remembered & { quotes: FoundQuote[] }> {
    const parameters = [conversationId, position, window, limits.quotes, limits.quoteLength, limits.totalLength]
    const [row] = await this.#database.query<Remembered & { quotes: FoundQuote[] }>(recollect, parameters)
    return row!
  }

  async isPaused(userId: string): Promise<boolean> {
    const [row] = await this.#database.query<{ is_paused: boolean }>(readPause, [userId])
    return row?.is_paused ?? false
  }

  async setPaused(userId: string, isPaused: boolean): Promise<void> {
    await this.#database.query(savePause, [userId, isPaused])
  }
}

function toMemory(row: MemoryRow): Memory {
  return {
    id: row.id,
    kind: row.kind,
    text: row.text,
    isPinned: row.is_pinned,
    day: row.day,
    sourceCount: row.source_count,
    sources: row.sources.map(toSource),
    validFrom: row.valid_from,
    validTo: row.valid_to,
    supersededBy: row.superseded_by,
    createdAt: row.created_at,
  }
}

function toSource(source: MemoryRow["sources"][number]): MemorySource {
  const { message_id: messageId, conversation_id: conversationId, role, created_at: createdAt } = source
  return { messageId, conversationId, role, createdAt }
}

import type {
  EmbeddingBatch,
  EmbeddingStore,
  FoundQuote,
  Occasion,
  QuestionVector,
  QuoteLimits,
} from "../memory-ports.ts"
import type { Database, Statement } from "./database.ts"
import { occasion } from "./occasion.ts"

const readInUse: Statement = {
  name: "grizz_read_embedding_model",
  text: `select exists (select from grizz.embedding_model e where e.name = $1)
      and grizz.vector_schema() is not null and to_regclass('grizz.message_vectors') is not null as is_in_use`,
}

const claim: Statement = {
  name: "grizz_claim_embeddings",
  text: "select grizz.claim_embeddings($1::uuid, $2::integer * interval '1 second', $3, $4::integer, $5::integer) as batch",
}

const save: Statement = {
  name: "grizz_save_embeddings",
  text: "select grizz.save_embeddings($1::uuid, $2::integer, $3::integer, $4::uuid[], $5::text[], $6::text[])",
}

// What grizz.recall leaves out is left out here too.
const findNearest: Statement = {
  name: "grizz_nearest_messages",
  text: `with ${occasion}
    select m.id::text as id, m.role, left(m.content, $5::integer) as text,
      (m.created_at at time zone u.zone)::date::text as day, grizz.rfc3339(m.created_at) as "createdAt",
      least(1, n.excess / 2) as score
    from of_user u, asked a, grizz.embedding_model e,
      lateral grizz.alike(u.user_id, e.generation, e.dimension, $7, $9::integer) n
      join public.messages m on m.id = n.message_id
      join public.conversations c on c.id = m.conversation_id
    where e.name = $6 and e.dimension = $8::integer and c.user_id = u.user_id
      and m.role in ('user', 'assistant') and m.content <> ''
      and not (m.conversation_id = $1::uuid and m.position >= a.window_from)
      and not exists (
        select from grizz.replies r
        where r.conversation_id = m.conversation_id and r.position = m.position and r.superseded_by is not null
      )
    order by n.excess desc limit $4::integer`,
}

/** Any number that no other program of this database uses: "gvec" in ASCII. */
const lock: Statement = {
  name: "grizz_lock_vector_indexes",
  text: "select pg_try_advisory_lock(1735812451) as is_mine",
}
const readNext: Statement = { name: "grizz_next_vector_index", text: "select grizz.next_vector_index() as next" }
const isDone: Statement = {
  name: "grizz_vector_index_is_ready",
  text: "update grizz.vector_indexes set is_ready = true where user_id = $1::uuid and generation = $2::integer",
}
const isGone: Statement = {
  name: "grizz_vector_index_is_gone",
  text: "delete from grizz.vector_indexes where user_id = $1::uuid and generation = $2::integer",
}

interface NextIndex {
  user_id: string
  generation: number
  drop: string
  create: string | null
}

/** Vectors in PostgreSQL, by pgvector. */
export class PostgresEmbeddingStore implements EmbeddingStore {
  readonly #database: Database
  readonly #comparedMax: number

  /** @param comparedMax so many vectors of one user are compared one by one; who has more gets an index */
  constructor(database: Database, comparedMax = 50_000) {
    this.#database = database
    this.#comparedMax = comparedMax
  }

  async isInUse(model: string): Promise<boolean> {
    const [row] = await this.#database.query<{ is_in_use: boolean }>(readInUse, [model])
    return row!.is_in_use
  }

  async claim(
    owner: string,
    model: string,
    limits: { texts: number; textLength: number; leaseSeconds: number },
  ): Promise<EmbeddingBatch | null> {
    const parameters = [owner, limits.leaseSeconds, model, limits.texts, limits.textLength]
    type Row = { batch: { generation: number; texts: EmbeddingBatch["texts"]; is_more: boolean } | null }
    const [row] = await this.#database.query<Row>(claim, parameters)
    const batch = row!.batch
    return batch && { generation: batch.generation, texts: batch.texts, isMore: batch.is_more }
  }

  async save(owner: string, { generation, texts }: EmbeddingBatch, vectors: (number[] | null)[]): Promise<void> {
    const dimension = vectors.find((vector) => vector !== null)?.length ?? null
    const ids = texts.map(({ id }) => id)
    const hashes = texts.map(({ hash }) => hash)
    const written = vectors.map((vector) => (vector === null ? "" : vectorText(vector)))
    await this.#database.query(save, [owner, generation, dimension, ids, hashes, written])
  }

  nearest(
    { conversationId, position, window }: Occasion,
    { model, vector }: QuestionVector,
    limits: QuoteLimits,
  ): Promise<FoundQuote[]> {
    const ofOccasion = [conversationId, position, window, limits.quotes, limits.quoteLength]
    const ofQuestion = [model, vectorText(vector), vector.length, this.#comparedMax]
    return this.#database.query<FoundQuote>(findNearest, [...ofOccasion, ...ofQuestion])
  }

  tendIndex(): Promise<boolean> {
    return this.#database.session(async (session) => {
      const [held] = await session.query<{ is_mine: boolean }>(lock)
      if (!held!.is_mine) return false
      const [row] = await session.query<{ next: NextIndex | null }>(readNext)
      const next = row!.next
      if (next === null) return false
      // A build without a lock waits for older transactions, as if for locks.
      await session.script("set statement_timeout = 0; set lock_timeout = 0")
      await session.script(next.drop)
      if (next.create !== null) await session.script(next.create)
      await session.query(next.create === null ? isGone : isDone, [next.user_id, next.generation])
      return true
    })
  }
}

/** As pgvector reads it; half precision has no more digits. */
function vectorText(vector: number[]): string {
  return `[${vector.map((value) => value.toPrecision(5)).join()}]`
}

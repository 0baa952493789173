import type { Database, Statement } from "./database.ts"
import { guardRows, oneAtATime } from "./migrate.ts"
import { PostgresEmbeddingStore } from "./postgres-embedding-store.ts"

const make: Statement = { name: "grizz_make_vectors", text: "select grizz.make_vectors() as obstacle" }
const use: Statement = { name: "grizz_use_embedding_model", text: "select grizz.use_embedding_model($1)" }

/**
 * Makes room for vectors, where there is none yet, and has them made by this model from now on. Null when they can be
 * stored, else the reason why not. Needs a migrated database, and, the first time, the rights of the tables' owner.
 */
export async function prepareVectors(database: Database, model: string): Promise<string | null> {
  if (await new PostgresEmbeddingStore(database).isInUse(model)) return null
  return oneAtATime(database, async (session) => {
    const [row] = await session.query<{ obstacle: string | null }>(make)
    const { obstacle } = row!
    if (obstacle !== null) return obstacle
    await guardRows(session)
    await session.query(use, [model])
    return null
  })
}

import type { RecallStore } from "../memory-ports.ts"
import type { Database, Statement } from "./database.ts"

const indexBacklog: Statement = {
  name: "grizz_index_backlog",
  text: "select grizz.index_backlog(200) as is_more",
}

/** What was said, by its words, in PostgreSQL. */
export class PostgresRecallStore implements RecallStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async indexBacklog(): Promise<boolean> {
    const [row] = await this.#database.query<{ is_more: boolean }>(indexBacklog)
    return row!.is_more
  }
}

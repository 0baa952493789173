import type { MessageIndex } from "../memory-ports.ts"
import type { Database, Statement } from "./database.ts"

const indexMessages: Statement = {
  name: "grizz_index_messages",
  text: "select grizz.index_messages($1::integer) as is_more",
}

/** So many at once: some 10 ms on a server, and on the embedded PostgreSQL no longer than others may wait. */
const batch = 200

/** What was said, by its words, in PostgreSQL. */
export class PostgresMessageIndex implements MessageIndex {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async indexNext(): Promise<boolean> {
    const [row] = await this.#database.query<{ is_more: boolean }>(indexMessages, [batch])
    return row!.is_more
  }
}

import { Pool } from "pg"
import type { Told } from "./told.ts"

/**
 * Looks past the nodes whether a row is in the database at the moment when a client is told of it. While the database is
 * away nothing can be seen, and nothing is held against anybody.
 */
export class Witness {
  readonly #pool: Pool
  readonly #told: Told

  constructor(url: string, told: Told) {
    this.#pool = new Pool({ connectionString: url, max: 4, connectionTimeoutMillis: 2000, query_timeout: 15_000 })
    // The next look opens another connection.
    this.#pool.on("error", () => undefined)
    this.#told = told
  }

  /** @param id of a message, or of a reply that has ended */
  async look(id: string): Promise<void> {
    try {
      const { rowCount } = await this.#pool.query("select from public.messages where id = $1::uuid", [id])
      this.#told.count("told, and looked up at once")
      if (rowCount === 0) this.#told.violate("lost", `${id} was told before it was stored`)
    } catch {
      // The database is away; the ledger asks again at the end.
      this.#told.count("told while the database was away")
    }
  }

  close(): Promise<void> {
    return this.#pool.end()
  }
}

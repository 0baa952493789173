import { Client } from "pg"
import type { Told } from "./told.ts"

/**
 * Looks past the nodes whether a row is in the database at the moment when a client is told of it. While the database is
 * away nothing can be seen, and nothing is held against anybody.
 */
export class Witness {
  readonly #url: string
  readonly #told: Told
  #client: Promise<Client> | null = null

  constructor(url: string, told: Told) {
    this.#url = url
    this.#told = told
  }

  /** @param id of a message, or of a reply that has ended */
  async look(id: string): Promise<void> {
    try {
      const client = await (this.#client ??= this.#connect())
      const { rowCount } = await client.query("select from public.messages where id = $1::uuid", [id])
      this.#told.count("told, and looked up at once")
      if (rowCount === 0) this.#told.violate("lost", `${id} was told before it was stored`)
    } catch {
      // The database is away; the ledger asks again at the end.
      await this.close()
    }
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = null
    await client?.then((open) => open.end()).catch(() => undefined)
  }

  async #connect(): Promise<Client> {
    const client = new Client({ connectionString: this.#url, connectionTimeoutMillis: 2000, query_timeout: 15_000 })
    client.on("error", () => (this.#client = null))
    await client.connect()
    return client
  }
}

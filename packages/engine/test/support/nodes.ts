import { createHmac, randomBytes, randomUUID } from "node:crypto"
import { dirname } from "node:path"
import { migrate } from "../../src/db/migrate.ts"
import { type OfflineModel, type OfflineScript, startOfflineModel } from "../../src/llm/offline-model.ts"
import { createServerDatabase, openServerDatabase } from "./database-kinds.ts"
import { TestUser } from "./engine.ts"
import { freePort, GrizzProcess, program } from "./grizz-process.ts"

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")

/** One node: `grizz serve` as a process of its own. */
export interface Node {
  url: string
  process: GrizzProcess
}

/** Several nodes on one PostgreSQL server and one scripted model. */
export class Nodes {
  readonly databaseUrl: string
  readonly #secret = randomBytes(24).toString("hex")
  readonly #model: OfflineModel
  readonly #drop: () => Promise<void>
  readonly #processes: GrizzProcess[] = []

  private constructor(databaseUrl: string, model: OfflineModel, drop: () => Promise<void>) {
    this.databaseUrl = databaseUrl
    this.#model = model
    this.#drop = drop
  }

  static async create(script: OfflineScript): Promise<Nodes> {
    const { url, drop } = await createServerDatabase()
    const database = openServerDatabase(url)
    await migrate(database)
    await database.close()
    return new Nodes(url, await startOfflineModel({ script, tokensPerSecond: Number.POSITIVE_INFINITY }), drop)
  }

  /** What every node has. */
  get env(): Record<string, string> {
    return {
      DATABASE_URL: this.databaseUrl,
      SUPABASE_JWT_SECRET: this.#secret,
      OPENAI_BASE_URL: this.#model.baseUrl,
      LLM_FIRST_TOKEN_TIMEOUT_MS: "120000",
      LLM_IDLE_TIMEOUT_MS: "120000",
    }
  }

  /** @param workers processes behind the node's port; without it the node is one process */
  async start(env: Record<string, string> = {}, workers?: number): Promise<Node> {
    const port = await freePort()
    const many = workers === undefined ? [] : ["--workers", String(workers)]
    const grizz = new GrizzProcess({
      args: ["serve", "--host", "127.0.0.1", "--port", String(port), ...many],
      cwd: "/",
      // By its name, so that Node.js has the options that the program names.
      command: [program],
      env: {
        PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`,
        ...this.env,
        ...env,
      },
    })
    this.#processes.push(grizz)
    await grizz.until(workers === undefined ? /Server listening/ : /all workers serve/)
    return { url: `http://127.0.0.1:${port}`, process: grizz }
  }

  /**
   * The same user as seen by one node.
   * @param ttlSeconds how long the token is good from now on
   */
  user(node: Node, id: string = randomUUID(), ttlSeconds = 3600): TestUser {
    return this.userAt(node.url, id, ttlSeconds)
  }

  /** The same for a node that was started in another way. */
  userAt(url: string, id: string = randomUUID(), ttlSeconds = 3600): TestUser {
    const exp = Math.floor(Date.now() / 1000) + ttlSeconds
    const claims = { sub: id, aud: "authenticated", role: "authenticated", exp }
    const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`
    return new TestUser(url, id, `${signed}.${createHmac("sha256", this.#secret).update(signed).digest("base64url")}`)
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.end()))
    await this.#model.close()
    await this.#drop()
  }
}

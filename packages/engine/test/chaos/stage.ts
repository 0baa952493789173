import { createHmac, randomBytes, randomUUID } from "node:crypto"
import { join } from "node:path"
import type { OfflineModel } from "../../src/llm/offline-model.ts"
import { findRedisServer, RedisServer } from "../support/redis-server.ts"
import { markerPattern, ModelBook, startChaosModel } from "./chaos-model.ts"
import { ChaosNode } from "./chaos-node.ts"
import { ChaosPostgres } from "./chaos-postgres.ts"
import { ChatUser } from "./chat-user.ts"
import type { ChaosOptions } from "./options.ts"
import { Random } from "./random.ts"
import type { Told } from "./told.ts"

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")

/** Everything that a run starts, and ends whatever happens. */
export class Stage {
  nodes: ChaosNode[] = []
  redis: RedisServer | null = null
  /** What no log may hold. */
  readonly secrets: (string | RegExp)[] = [markerPattern, /river 🏞️|e\u0301clair/u]
  readonly #signingSecret = randomBytes(24).toString("hex")
  #postgres: ChaosPostgres | null = null
  #book: ModelBook | null = null
  #model: OfflineModel | null = null

  get postgres(): ChaosPostgres {
    if (this.#postgres === null) throw new Error("PostgreSQL is not started.")
    return this.#postgres
  }

  get model(): ModelBook {
    if (this.#book === null) throw new Error("The model is not started.")
    return this.#book
  }

  async open({ seed, redis }: ChaosOptions, folder: string): Promise<void> {
    this.secrets.push(this.#signingSecret)
    this.#book = new ModelBook(seed)
    this.#model = await startChaosModel(this.#book)
    this.#postgres = await ChaosPostgres.start()
    const hasServer = findRedisServer() !== null
    if (redis === true && !hasServer) throw new Error("There is no redis-server on the path.")
    if (redis !== false && hasServer) this.redis = await RedisServer.start()
    const env: Record<string, string> = {
      SUPABASE_JWT_SECRET: this.#signingSecret,
      OPENAI_BASE_URL: this.#model.baseUrl,
      DRAIN_TIMEOUT_MS: "2000",
      ...(this.redis === null ? {} : { REDIS_URL: this.redis.url }),
    }
    await this.#addNode("node-1", folder, env)
    const isUnused = /"variable":"REDIS_URL"/.test(this.nodes[0]?.output ?? "")
    if (isUnused && redis === true) throw new Error("This engine does not act upon REDIS_URL.")
    if (isUnused) {
      await this.redis?.stop()
      this.redis = null
    }
    // What one node tells another goes through Redis: without it the engine runs on one.
    if (this.redis !== null) await this.#addNode("node-2", folder, env)
  }

  async users({ users, seed, minutes }: ChaosOptions, told: Told): Promise<ChatUser[]> {
    const nodeUrls = this.nodes.map(({ url }) => url)
    const made: ChatUser[] = []
    for (let number = 1; number <= users; number++) {
      const name = `user-${number}`
      const token = this.#token(minutes)
      this.secrets.push(token)
      const response = await fetch(`${nodeUrls[0]}/conversations/today`, {
        headers: { authorization: `Bearer ${token}` },
      })
      if (!response.ok) throw new Error(`No conversation: ${response.status} ${await response.text()}`)
      const { id: conversationId } = (await response.json()) as { id: string }
      made.push(new ChatUser({ name, token, conversationId, random: Random.of(seed, name), told, nodeUrls }))
    }
    return made
  }

  /** Ends everything, by its process. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()))
    await this.redis?.stop()
    await this.#model?.close()
    await this.#postgres?.stop()
  }

  async #addNode(name: string, folder: string, env: Record<string, string>): Promise<void> {
    const node = await ChaosNode.create({
      name,
      databaseUrl: this.postgres.url,
      env,
      logFile: join(folder, `${name}.log`),
    })
    this.nodes.push(node)
    await node.start()
  }

  #token(minutes: number): string {
    const expiresAt = Math.floor(Date.now() / 1000) + Math.ceil(minutes * 60) + 3600
    const claims = { sub: randomUUID(), aud: "authenticated", role: "authenticated", exp: expiresAt }
    const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`
    return `${signed}.${createHmac("sha256", this.#signingSecret).update(signed).digest("base64url")}`
  }
}

import { randomUUID } from "node:crypto"
import type { MessagePage } from "@grizz/protocol"
import type { OfflineScript } from "../../src/llm/offline-model.ts"
import { openServerDatabase } from "./database-kinds.ts"
import { sql } from "./database-sql.ts"
import type { TestUser } from "./engine.ts"
import { type Node, Nodes } from "./nodes.ts"
import { RedisServer } from "./redis-server.ts"
import { ScriptedModel } from "./scripted-model.ts"
import { TcpProxy } from "./tcp-proxy.ts"
import { foldText, type Wire } from "./wire.ts"

/** A node, with its own ways to PostgreSQL and to Redis. */
export interface LinkedNode extends Node {
  postgres: TcpProxy
  redis: TcpProxy
}

export interface TwoNodeStageOptions {
  /** Environment of both nodes. */
  env?: Record<string, string>
  /** Environment of each alone. */
  each?: [Record<string, string>, Record<string, string>]
  /** What the model does; without it, each call has a script in `calls`. */
  script?: OfflineScript
}

/** What is stored of a reply. */
export interface StoredReply {
  status: string
  attempt: number
  calls: number
  content: string | null
}

/** Two nodes that share PostgreSQL and Redis, each with its own ways there, and one model with a script for each call. */
export class TwoNodeStage {
  readonly nodes: Nodes
  readonly redis: RedisServer
  /** In the order in which they are called, unless the test has a script of its own. */
  readonly calls: readonly ScriptedModel[]
  readonly first: LinkedNode
  readonly second: LinkedNode
  readonly #taken: () => number

  private constructor(
    nodes: Nodes,
    redis: RedisServer,
    calls: readonly ScriptedModel[],
    taken: () => number,
    [first, second]: [LinkedNode, LinkedNode],
  ) {
    this.nodes = nodes
    this.redis = redis
    this.calls = calls
    this.#taken = taken
    this.first = first
    this.second = second
  }

  static async start({ env = {}, each = [{}, {}], script }: TwoNodeStageOptions = {}): Promise<TwoNodeStage> {
    const redis = await RedisServer.start()
    const calls = Array.from({ length: 40 }, () => new ScriptedModel())
    let taken = 0
    const nodes = await Nodes.create((request) => {
      taken += 1
      return (script ?? calls[taken - 1]!.script)(request)
    })
    const start = async (own: Record<string, string>) => startLinked(nodes, redis, { ...env, ...own })
    const both = await Promise.all([start(each[0]), start(each[1])])
    return new TwoNodeStage(nodes, redis, calls, () => taken, both)
  }

  /** Times that the model was called. */
  get modelCalls(): number {
    return this.#taken()
  }

  async history(user: TestUser, conversationId: string): Promise<string[]> {
    const path = `/conversations/${conversationId}/messages`
    return (await user.request<MessagePage>("GET", path)).body.data.map(({ content }) => content)
  }

  async reply(replyId: string): Promise<StoredReply & { leaseSeconds: number | null }> {
    const rows = await this.query<StoredReply & { leaseSeconds: number | null }>(
      `select r.status, r.attempt, r.calls, m.content,
        extract(epoch from r.lease_until - clock_timestamp())::float as "leaseSeconds"
       from grizz.replies r left join public.messages m on m.id = r.id where r.id = $1::uuid`,
      [replyId],
    )
    return rows[0]!
  }

  /** A statement of the test's own, past every proxy. */
  async query<Row extends object>(text: string, parameters: string[] = []): Promise<Row[]> {
    const database = openServerDatabase(this.nodes.databaseUrl, { poolSize: 1, maxOverflow: 0 })
    try {
      return await sql<Row>(database, text, parameters)
    } finally {
      await database.close()
    }
  }

  async close(): Promise<void> {
    await this.nodes.close()
    for (const { postgres, redis } of [this.first, this.second]) await Promise.all([postgres.close(), redis.close()])
    await this.redis.stop()
  }
}

/** What a device was told of a reply, put together. */
export function heard(wire: Wire, replyId: string): { text: string; ends: string[] } {
  const ends = wire.frames.flatMap((frame) =>
    frame.type === "reply.ended" && frame.reply_id === replyId ? [`${frame.status}: ${frame.message.content}`] : [],
  )
  return { text: foldText(wire.frames, replyId), ends }
}

/** Sends, and gives what the sender was answered. */
export async function say(wire: Wire, content: string, id: string = randomUUID()): Promise<string> {
  wire.say(id, content)
  const frame = await wire.answer(id)
  return frame.type === "error" ? frame.code : frame.type
}

async function startLinked(nodes: Nodes, redis: RedisServer, env: Record<string, string>): Promise<LinkedNode> {
  const database = new URL(nodes.databaseUrl)
  const links = {
    postgres: await TcpProxy.start({ host: database.hostname, port: Number(database.port) }),
    redis: await TcpProxy.start({ host: "127.0.0.1", port: redis.port }),
  }
  database.hostname = "127.0.0.1"
  database.port = String(links.postgres.port)
  const node = await nodes.start({
    DATABASE_URL: database.href,
    REDIS_URL: `redis://127.0.0.1:${links.redis.port}`,
    ...env,
  })
  return { ...node, ...links }
}

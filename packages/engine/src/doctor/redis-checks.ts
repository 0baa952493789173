import { randomUUID } from "node:crypto"
import { Redis } from "ioredis"
import { isLoopbackBind } from "../core/loopback.ts"
import { type Finding, fail, ok, reasonOf, warn } from "./finding.ts"

const name = "redis"
const timeoutMs = 5000
/** Streams with explicit ids as the engine uses them. */
const oldestMajor = 6

/** Whether Redis answers, is new enough, and keeps what it is told. */
export async function redisFindings(url: string | null): Promise<Finding[]> {
  if (url === null) return [ok(name, "REDIS_URL is unset: one node, whose live replies stay in the process.")]
  const redis = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
  })
  let lastError: unknown
  redis.on("error", (error) => (lastError = error))
  try {
    await redis.connect()
    await redis.ping()
    return [
      judgeVersion(await redis.info("server")),
      ...judgeCluster(await redis.info("cluster")),
      await storeFinding(redis),
      judgeMemory(await redis.info("memory")),
      ...judgeWay(url),
    ]
  } catch (error) {
    return [fail(name, `Redis cannot be used: ${reasonOf(lastError ?? error)}.`, "check REDIS_URL and the network")]
  } finally {
    redis.disconnect()
  }
}

/** What the engine does with every reply: a script that stores, and publishes. */
const storeLua = `
redis.call('XADD', KEYS[1], '*', 'e', '1')
redis.call('PEXPIRE', KEYS[1], 1000)
return redis.call('PUBLISH', KEYS[1], '1')
`

async function storeFinding(redis: Redis): Promise<Finding> {
  try {
    await redis.eval(storeLua, 1, `grizz:{doctor-${randomUUID()}}`)
    return ok("redis store", "Redis stores and publishes.")
  } catch (error) {
    const remedy = "give it room (maxmemory), or let its user run EVAL, XADD, PEXPIRE and PUBLISH on grizz:*"
    return fail("redis store", `Redis refuses to store: ${reasonOf(error)}.`, remedy)
  }
}

function judgeCluster(info: string): Finding[] {
  if (fieldOf(info, "cluster_enabled") !== "1") return []
  const sentence = "This is a node of a Redis Cluster, which answers for some conversations only."
  return [
    fail("redis cluster", sentence, "use a server that is no cluster, or an address that stands for the whole one"),
  ]
}

const fieldOf = (info: string, field: string): string =>
  new RegExp(`^${field}:(.*?)\\r?$`, "m").exec(info)?.[1]?.trim() ?? ""

function judgeVersion(info: string): Finding {
  const version = fieldOf(info, "redis_version")
  if (Number.parseInt(version) >= oldestMajor) return ok(name, `Redis ${version} answers.`)
  return fail(name, `Redis ${version} is too old.`, `use ${oldestMajor} or newer`)
}

function judgeMemory(info: string): Finding {
  const policy = fieldOf(info, "maxmemory_policy")
  if (!policy.startsWith("allkeys-")) return ok("redis memory", `maxmemory-policy is ${policy || "not told"}.`)
  const sentence = `maxmemory-policy ${policy} may drop a reply that is being read.`
  return warn("redis memory", sentence, "set noeviction or a volatile- policy; nothing is lost, but readers fall back")
}

function judgeWay(url: string): Finding[] {
  const { protocol, hostname } = new URL(url)
  if (protocol === "rediss:" || isLoopbackBind(hostname.replace(/^\[|\]$/g, ""))) return []
  return [warn("redis TLS", "The connection is not encrypted.", "use rediss:// unless the network is private")]
}

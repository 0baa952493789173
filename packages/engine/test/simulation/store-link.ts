import { ChatError } from "../../src/core/errors.ts"
import type { RunningReply } from "../../src/domain.ts"
import type { ReplyStore } from "../../src/ports.ts"
import type { MemoryReplyStore } from "../support/memory-reply-store.ts"
import type { Ledger } from "./ledger.ts"
import type { ProcessLife } from "./process-life.ts"
import type { World } from "./world.ts"

type Method = keyof ReplyStore
type Arguments = Parameters<ReplyStore[Method]>

/** A process's way to the database: a call arrives, is committed and is answered at moments the seed decides, or not. */
export function storeLink(world: World, life: ProcessLife, store: MemoryReplyStore, ledger: Ledger): ReplyStore {
  const commit = async (method: Method, parameters: Arguments) => {
    const result: unknown = await Reflect.apply(store[method], store, parameters)
    ledger.committed({ owner: life.owner, method, parameters, result: result ?? null })
    return result
  }
  const call = (method: Method, parameters: Arguments) =>
    new Promise((resolve, reject) => {
      const fail = () => {
        if (method === "takeOver") ledger.uncertain.add(parameters[0] as string)
        if (method === "end") ledger.uncertain.add((parameters[0] as RunningReply).conversationId)
        const error = new ChatError("unavailable", "The database does not answer.", { isOutcomeUnknown: true })
        life.post(() => reject(error))
      }
      const arrive = async () => {
        if (life.isCutOff || world.random.chance(world.faultRate)) return fail()
        // The process gave up, but the statement is on its way.
        if (world.random.chance(world.faultRate)) {
          fail()
          return world.add({ canHappen: () => true, happen: () => void commit(method, parameters) })
        }
        const result = await commit(method, parameters)
        if (world.random.chance(world.faultRate)) {
          ledger.seen.add(`the answer to "${method}" was lost`)
          return fail()
        }
        life.post(() => {
          ledger.answered(life.owner, method, result)
          resolve(result)
        })
      }
      // What a process sent before it died may still arrive.
      const happen = () => {
        if (life.state !== "dead" || world.random.chance(0.5)) void arrive()
      }
      world.add({ canHappen: () => true, happen })
    })
  const methods = [
    "accept",
    "end",
    "requestStop",
    "heartbeat",
    "handOver",
    "lateConversations",
    "takeOver",
    "conversationOf",
    "retry",
    "erase",
    "view",
  ] as const
  const link = methods.map((method) => [method, (...parameters: Arguments) => call(method, parameters)])
  return Object.fromEntries(link) as ReplyStore
}

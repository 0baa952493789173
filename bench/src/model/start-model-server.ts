import { fileURLToPath } from "node:url"
import { freePort } from "../../../packages/engine/test/support/postgres-server.ts"
import { startChild } from "../machine/child.ts"
import type { ModelTimes } from "./model-server.ts"

export interface ModelServer {
  baseUrl: string
  /** What it noted of the paced questions since the last call, by their text. */
  takeTimes(): Promise<Record<string, ModelTimes>>
  /** Ends the floods that nobody has hung up on. */
  calm(): Promise<void>
}

/** The model, in a process of its own. */
export async function startModelServer(stack: AsyncDisposableStack): Promise<ModelServer> {
  const port = await freePort()
  const wrongText = process.env["BENCH_WRONG_TEXT"]
  const env = wrongText === undefined ? {} : { BENCH_WRONG_TEXT: wrongText }
  const file = fileURLToPath(new URL("model-server.ts", import.meta.url))
  const child = startChild("model server", [file, String(port)], { env })
  stack.defer(() => child.stop())
  await child.nextMessage()
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    async takeTimes() {
      const times: Record<string, ModelTimes> = await (await fetch(`http://127.0.0.1:${port}/times`)).json()
      return times
    },
    async calm() {
      await fetch(`http://127.0.0.1:${port}/calm`)
    },
  }
}

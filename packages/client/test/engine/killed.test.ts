import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { freePort, GrizzProcess } from "../../../engine/test/support/grizz-process.ts"
import { ScriptedModel } from "../../../engine/test/support/scripted-model.ts"
import { type OfflineModel, startOfflineModel } from "../../../engine/src/llm/offline-model.ts"
import { type Conversation, developmentToken, GrizzClient } from "../../src/index.ts"
import { isQuietWith } from "./real-engine.ts"

let folder: string
let port: number
let model: ScriptedModel
let server: OfflineModel
let engine: GrizzProcess
let conversation: Conversation | null

async function start(): Promise<string> {
  const env = { OPENAI_BASE_URL: server.baseUrl, OPENAI_API_KEY: "none" }
  engine = new GrizzProcess({ args: ["start", "--port", String(port)], cwd: folder, env })
  return engine.ready()
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "grizz-client-"))
  port = await freePort()
  model = new ScriptedModel()
  server = await startOfflineModel({ script: (request) => model.script(request), tokensPerSecond: Infinity })
})
afterEach(async () => {
  conversation?.close()
  await engine.end()
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

test("a reply and messages outlive the engine that is killed in their middle", { timeout: 120_000 }, async () => {
  const url = await start()
  const { access_token } = await developmentToken(url)
  const client = new GrizzClient({ url, token: async () => access_token, timing: { backoffMaxMs: 500 } })
  conversation = client.today("UTC")
  conversation.send("Before the end")
  model.say("Half a")
  await conversation.until((state) => state.reply?.text === "Half a")
  engine.kill("SIGKILL")
  const during = ["in the", "dark"].map((text) => conversation?.send(text).id)
  await engine.exited
  await conversation.until((state) => state.connection.status === "reconnecting")
  await start()
  for (const text of ["A whole reply", "Hello", "again"]) {
    model.say(text)
    model.finish()
  }
  const state = await conversation.until(isQuietWith(6))
  const query = { limit: 200 }
  const { data } = await client.call("GET /conversations/{id}/messages", { id: conversation.id ?? "", query })
  expect(state.messages).toEqual(data)
  expect(
    state.messages
      .filter(({ role }) => role === "user")
      .map(({ id }) => id)
      .slice(1),
  ).toEqual(during)
  expect(state.messages.filter(({ role }) => role === "assistant").map(({ status }) => status)).toEqual([
    "completed",
    "completed",
    "completed",
  ])
})

import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { migrate } from "../../src/db/migrate.ts"
import { createServerDatabase, missingServer, openServerDatabase } from "../support/database-kinds.ts"
import { startTestEngine, type TestEngine } from "../support/engine.ts"
import { ScriptedModel } from "../support/scripted-model.ts"
import { TcpProxy } from "../support/tcp-proxy.ts"
import type { Wire } from "../support/wire.ts"

describe.skipIf(missingServer !== null)(
  `a send whose answer PostgreSQL gave and nobody got${missingServer ? `: ${missingServer}` : ""}`,
  () => {
    let proxy: TcpProxy
    let engine: TestEngine
    let model: ScriptedModel
    let devices: [Wire, Wire]
    let close: () => Promise<void>

    beforeEach(async () => {
      const { url: serverUrl, drop } = await createServerDatabase()
      const url = new URL(serverUrl)
      proxy = await TcpProxy.start({ host: url.hostname, port: Number(url.port) })
      url.hostname = "127.0.0.1"
      url.port = String(proxy.port)
      const database = openServerDatabase(url.href)
      await migrate(database)
      model = new ScriptedModel()
      engine = await startTestEngine({ database, script: model.script, env: { DRAIN_TIMEOUT_MS: "300" } })
      const user = await engine.user()
      const conversationId = await user.today()
      devices = [await user.connect(conversationId), await user.connect(conversationId)]
      close = async () => {
        await engine.close()
        await database.close()
        await proxy.close()
        await drop()
      }
    })
    afterEach(() => close())

    /** By its own node, which asks again; not by whoever reads the conversation, or takes the reply over, later on. */
    async function expectTold(id: string): Promise<void> {
      for (const device of devices) expect((await device.next("message.added")).message.id).toBe(id)
      const told = devices.flatMap(({ frames }) => frames.map(({ type }) => type))
      expect(told).not.toContain("error")
      const statements = engine.takeStatements()
      expect(statements).not.toContain("grizz_view_after")
      expect(statements).not.toContain("grizz_take_over")
    }

    async function sayAndLose(id: string): Promise<void> {
      const lost = proxy.loseAnswerTo("grizz_accept_message")
      devices[0].say(id, "hello")
      await lost
    }

    test("is acknowledged by its own node at once, where its reply begins", async () => {
      const id = randomUUID()
      await sayAndLose(id)
      await expectTold(id)
    })

    test("is acknowledged by its own node at once, where its reply waits for another one's end", async () => {
      devices[0].say(randomUUID(), "go")
      model.say("half")
      for (const device of devices) await device.next("reply.delta")
      const id = randomUUID()
      await sayAndLose(id)
      await expectTold(id)
    })
  },
)

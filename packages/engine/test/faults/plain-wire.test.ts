import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { oneDatabaseKind, type OpenDatabase } from "../support/database-kinds.ts"
import { startTestEngine, type TestEngine } from "../support/engine.ts"
import { ScriptedModel } from "../support/scripted-model.ts"

describe(`plain sockets of a node that shuts down on ${oneDatabaseKind.name}`, () => {
  let opened: OpenDatabase
  let engine: TestEngine
  let model: ScriptedModel

  beforeEach(async () => {
    opened = await oneDatabaseKind.open()
    model = new ScriptedModel()
    const env = { DRAIN_TIMEOUT_MS: "300" }
    engine = await startTestEngine({ database: opened.database, script: model.script, env })
  })
  afterEach(async () => {
    await engine.close()
    await opened.close()
  })

  test("a reply that is handed over ends with an error frame: cut text is never all that is said", async () => {
    const user = await engine.user()
    const plain = await user.connectPlain(await user.today())
    plain.socket.send("go")
    model.say("half")
    await plain.until((text) => text === "half")
    await engine.drain()
    expect((await plain.closed).code).toBe(1012)
    expect(plain.texts[0]).toBe("half")
    expect(plain.texts[1]).toMatch(/^\n\n\[Error: .+\]$/)
    expect(plain.texts).toHaveLength(2)
  })

  test("one that waits for nothing hears nothing", async () => {
    const user = await engine.user()
    const plain = await user.connectPlain(await user.today())
    await engine.drain()
    expect((await plain.closed).code).toBe(1012)
    expect(plain.texts).toEqual([])
  })
})

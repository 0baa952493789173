import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Held } from "../../../../bench/src/servers/preload.ts"
import { missingServer } from "../support/database-kinds.ts"
import { freePort, program } from "../support/grizz-process.ts"
import { Nodes } from "../support/nodes.ts"
import type { Wire } from "../support/wire.ts"

const warmUpSockets = 100
const sockets = 400
/** Objects and buffers of an idle socket with its user, session and reader; about 6.5 KiB are seen. */
const bytesMax = 10 * 1024
/** Of a socket that is gone: what the runtime itself keeps is less than 1 KiB, whatever was left behind would be more. */
const leftBytesMax = 2 * 1024

describe.skipIf(missingServer !== null)(`what an idle socket holds${missingServer ? `: ${missingServer}` : ""}`, () => {
  let nodes: Nodes
  let engine: ChildProcess
  let url: string
  beforeAll(async () => {
    nodes = await Nodes.create(() => null)
    const port = await freePort()
    url = `http://127.0.0.1:${port}`
    const reporter = fileURLToPath(new URL("../../../../bench/src/servers/preload.ts", import.meta.url))
    engine = fork(program, ["serve", "--host", "127.0.0.1", "--port", String(port)], {
      execArgv: ["--expose-gc", "--import", reporter],
      env: { ...nodes.env, LOG_LEVEL: "warn" },
    })
  })
  afterAll(async () => {
    const ended = once(engine, "exit")
    engine.kill("SIGKILL")
    await ended
    await nodes.close()
  })

  const isReady = () =>
    fetch(`${url}/ready`).then(
      ({ ok }) => ok,
      () => false,
    )

  async function heldBytes(): Promise<number> {
    const told = once(engine, "message")
    engine.send("collect")
    const [held]: Held[] = await told
    return held?.liveBytes ?? Number.NaN
  }

  /** Each of a user of its own. */
  async function connect(count: number): Promise<Wire[]> {
    const wires: Wire[] = []
    for (let index = 0; index < count; index++) wires.push(await nodes.userAt(url).connect("today"))
    return wires
  }

  async function close(wires: Wire[]): Promise<void> {
    for (const { socket } of wires) socket.close()
    await Promise.all(wires.map(({ closed }) => closed))
  }

  test("is few KiB, and nothing once it is gone", async () => {
    await expect.poll(isReady, { timeout: 20_000 }).toBe(true)
    // What is made once, and code that is compiled, is not a socket's.
    for (let round = 0; round < 2; round++) await close(await connect(warmUpSockets))
    const before = await heldBytes()
    const wires = await connect(sockets)
    const held = await heldBytes()
    expect((held - before) / sockets).toBeLessThan(bytesMax)
    expect((held - before) / sockets).toBeGreaterThan(1024)
    await close(wires)
    await expect
      .poll(async () => ((await heldBytes()) - before) / sockets, { timeout: 10_000 })
      .toBeLessThan(leftBytesMax)
  }, 60_000)
})

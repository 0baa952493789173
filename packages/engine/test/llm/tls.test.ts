import { once } from "node:events"
import type { ServerResponse } from "node:http"
import { createServer } from "node:https"
import { setImmediate as nextTurn } from "node:timers/promises"
import { setDefaultCACertificates, type TLSSocket } from "node:tls"
import { afterEach, expect, test } from "vitest"
import { clientOf, runModel } from "../support/model-run.ts"
import { answer, done, finish, text } from "../support/model-stream.ts"
import { selfSigned } from "./self-signed.ts"
import { ManualTimer, startStream } from "./streams.ts"

const closers: (() => Promise<void>)[] = []
const { key, cert } = selfSigned()
setDefaultCACertificates([cert])

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

interface TlsServer {
  baseUrl: string
  /** In order of arrival. */
  responses: ServerResponse[]
  /** Of each connection, whether it went on with an earlier session. */
  reused: boolean[]
}

async function startTlsServer(
  respond: (response: ServerResponse) => void | Promise<void>,
  headers: Record<string, string> = {},
): Promise<TlsServer> {
  const responses: ServerResponse[] = []
  const reused: boolean[] = []
  const server = createServer({ key, cert }, (_, response) => {
    responses.push(response)
    response.writeHead(200, { "content-type": "text/event-stream", ...headers })
    void respond(response)
  })
  server.on("secureConnection", (socket: TLSSocket) => reused.push(socket.isSessionReused()))
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  closers.push(async () => {
    server.close()
    server.closeAllConnections()
    await once(server, "close")
  })
  const address = server.address()
  return { baseUrl: `https://localhost:${typeof address === "object" ? address?.port : 0}/v1`, responses, reused }
}

test("over TLS, an answer is the same however its bytes are split", async () => {
  const said = "Grüß dich 🐻‍❄️ 漢"
  const { baseUrl } = await startTlsServer(async (response) => {
    for (const byte of Buffer.from(answer(...said.split(" ")))) {
      response.write(Uint8Array.of(byte))
      await nextTurn()
    }
    response.end()
  })
  const llm = clientOf(baseUrl)
  expect((await runModel(llm)).text).toBe(said.replaceAll(" ", ""))
  await llm.close()
})

test("over TLS, an answer of many records in one go is whole", async () => {
  const { baseUrl } = await startTlsServer((response) => {
    response.end(text("x".repeat(1000)).repeat(500) + finish() + done)
  })
  const llm = clientOf(baseUrl)
  expect((await runModel(llm)).text).toBe("x".repeat(500_000))
  await llm.close()
})

test("over TLS, reads are held while many answers come in, and none is lost", async () => {
  const timer = new ManualTimer()
  const { baseUrl, responses } = await startTlsServer((response) => void response.write(text("a")))
  const llm = clientOf(baseUrl, { every: timer.every })
  const streams = []
  for (let stream = 0; stream < 40; stream++) {
    streams.push(startStream(llm))
    await streams[stream]!.heard(1)
  }
  const last = streams.length - 1
  responses[last]!.write(text("b"))
  // The first was not held yet, and is a way to know that what was written before has arrived.
  responses[0]!.write(text("b"))
  await streams[0]!.heard(2)
  await nextTurn()
  expect(streams[last]!.pieces).toEqual(["a"])
  responses[last]!.end(text("c") + finish() + done)
  timer.passHold()
  await streams[last]!.heard(2)
  timer.passHold()
  expect(await streams[last]!.run).toMatchObject({ text: "abc", error: null })
  await llm.close()
})

test("over TLS, a later connection goes on with the session of an earlier one", async () => {
  const { baseUrl, reused } = await startTlsServer((response) => void response.end(answer("Hi")), {
    connection: "close",
  })
  const llm = clientOf(baseUrl)
  for (let turn = 0; turn < 2; turn++) expect((await runModel(llm)).text).toBe("Hi")
  expect(reused).toEqual([false, true])
  await llm.close()
})

test("over TLS, an abort hangs up", async () => {
  const { baseUrl, responses } = await startTlsServer((response) => void response.write(text("a")))
  const llm = clientOf(baseUrl)
  const stream = startStream(llm)
  await stream.heard(1)
  const closed = once(responses[0]!, "close")
  stream.abort.abort(new Error("stopped"))
  await closed
  expect(responses[0]!.writableFinished).toBe(false)
  await stream.run
  await llm.close()
})

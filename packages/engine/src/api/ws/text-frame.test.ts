import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Duplex } from "node:stream"
import * as fc from "fast-check"
import { afterAll, beforeAll, expect, test } from "vitest"
import { WebSocket, WebSocketServer } from "ws"
import { textFrame, type WireFrame } from "./text-frame.ts"

const http = createServer()
const server = new WebSocketServer({ noServer: true, perMessageDeflate: false })
let client: WebSocket
let stream: Duplex

beforeAll(async () => {
  const upgraded = new Promise<void>((resolve) => {
    http.on("upgrade", (request, socket, head) => {
      stream = socket
      server.handleUpgrade(request, socket, head, () => resolve())
    })
  })
  await new Promise<void>((resolve) => void http.listen(0, "127.0.0.1", resolve))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
  client = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`)
  await upgraded
})
afterAll(() => {
  client.terminate()
  http.close()
})

/** What a client reads out of these frames. */
function read(frames: WireFrame[]): Promise<string[]> {
  const { promise, resolve, reject } = Promise.withResolvers<string[]>()
  const texts: string[] = []
  const take = (data: Buffer, isBinary: boolean) => {
    texts.push(isBinary ? "binary" : data.toString())
    if (texts.length === frames.length) resolve(texts)
  }
  client.on("message", take)
  client.on("error", reject)
  if (frames.length === 0) resolve(texts)
  for (const frame of frames) stream.write(frame, "latin1")
  return promise.finally(() => client.off("message", take).off("error", reject))
}

test.each([0, 1, 125, 126, 65_535, 65_536, 300_000])("a text of %i characters arrives whole", async (length) => {
  const ascii = "x".repeat(length)
  const wide = "ü".repeat(length)
  expect(await read([textFrame(ascii), textFrame(wide), textFrame(ascii)])).toEqual([ascii, wide, ascii])
})

test("any text arrives as it was, between any others", async () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), fc.string({ unit: "binary", maxLength: 300 }))
  await fc.assert(
    fc.asyncProperty(fc.array(text), async (texts) => {
      const wellFormed = texts.map((one) => one.toWellFormed())
      expect(await read(wellFormed.map((one) => textFrame(one)))).toEqual(wellFormed)
    }),
  )
})

test("the same text for several devices is encoded once", () => {
  const text = "für alle"
  expect(textFrame(text)).toBe(textFrame(text))
})

import { once } from "node:events"
import type { ServerResponse } from "node:http"
import { setTimeout as delay } from "node:timers/promises"

/** What a model may do to everybody else. */
export const floods = ["bytes", "line", "fast", "comments"] as const
export type Flood = (typeof floods)[number]

const asked = /^flood by (\w+),/

/** `label` makes it unlike every other. */
export const floodQuestion = (kind: Flood, label: string): string => `flood by ${kind}, ${label}`

/** Null when the text is another question. */
export function parseFlood(text: string): Flood | null {
  const kind = asked.exec(text)?.[1]
  return floods.find((one) => one === kind) ?? null
}

const delta = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: "more" }, finish_reason: null }] })}\n\n`
const lineBytes = 10_000_000
const tokensPerSecond = 100_000
const stepMs = 10

/** Each byte in an HTTP chunk of its own. */
const tinyChunks = Buffer.from(Array.from(delta.repeat(50), (byte) => `1\r\n${byte}\r\n`).join(""))
const manyComments = Buffer.from(": ping\n\n".repeat(8192))
const longLine = Buffer.from(delta.replace("more", "x".repeat(lineBytes)))

const flooded = new Set<ServerResponse>()

/** Hangs up on whoever still reads a flood. */
export function endFloods(): void {
  for (const response of flooded) response.destroy()
}

/** Floods until the other side hangs up. */
export async function flood(response: ServerResponse, kind: Flood): Promise<void> {
  flooded.add(response)
  response.once("close", () => flooded.delete(response))
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.flushHeaders()
  const socket = response.socket!
  if (kind === "bytes") return until(response, () => socket.write(tinyChunks) || once(socket, "drain"))
  if (kind === "comments") return until(response, () => response.write(manyComments) || once(response, "drain"))
  if (kind === "line") return until(response, () => response.write(longLine) || once(response, "drain"))
  const step = Buffer.from(delta.repeat((tokensPerSecond * stepMs) / 1000))
  return until(response, () => {
    response.write(step)
    return delay(stepMs)
  })
}

async function until(response: ServerResponse, write: () => unknown): Promise<void> {
  const gone = once(response, "close")
  while (!response.destroyed) {
    const written = write()
    // Others have their turn between two writes also when the reader keeps up.
    await Promise.race([written === true ? delay(0) : written, gone])
  }
}

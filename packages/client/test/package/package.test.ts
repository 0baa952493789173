import { gzipSync } from "node:zlib"
import { build } from "vite"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { PublishedPackages } from "../../../engine/test/package/published-packages.ts"
import { findOlderNode } from "../../../engine/test/support/older-node.ts"
import { readExamples } from "../docs/doc-examples.ts"
import { RealEngine } from "../engine/real-engine.ts"

const real = new RealEngine()
let sdk: PublishedPackages
let files: Map<string, string>

beforeAll(async () => {
  sdk = await PublishedPackages.install(["client"])
  files = await sdk.files("client")
  await sdk.link("react", "@types/react", "csstype")
}, 120_000)
afterAll(() => sdk.remove())

/** One that has no WebSocket of its own. */
const olderNode = findOlderNode(22)

const program = (url: string) => `
import { developmentToken, GrizzClient } from "@grizz/client"
const { access_token } = await developmentToken("${url}")
const today = new GrizzClient({ url: "${url}", token: async () => access_token }).today()
today.send("Hello from a package")
const { messages, connection } = await today.until((state) => state.messages.length === 2 && state.reply === null)
console.log(connection.via, messages[1].content)
today.close()
`

describe("the published SDK", () => {
  test("weighs less than 8 KB gzipped, with everything that it loads from the start", () => {
    const index = files.get("dist/index.js") ?? ""
    expect([...index.matchAll(/(?:from|import)\s*["'`]([^"'`]+)/g)].map((match) => match[1])).toEqual([])
    expect(gzipSync(index).length).toBeLessThan(8 * 1024)
  })

  test("imports nothing but itself, and React where that is used", () => {
    const code = [...files].filter(([name]) => name.startsWith("dist/"))
    const imported = code.flatMap(([name, text]) =>
      [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["'`]([^"'`]+)["'`]/g)].map((match) => `${name} ${match[1]}`),
    )
    expect(imported.length).toBeGreaterThan(10)
    const foreign = imported.filter((one) => !/ \.\/[\w-]+\.js$/.test(one))
    expect([...new Set(foreign)].sort()).toEqual(["dist/react.d.ts react", "dist/react.js react"])
  })

  test("holds compiled code and types alone, and says so", () => {
    const manifest = JSON.parse(files.get("package.json") ?? "{}")
    expect(manifest.exports["./react"]).toEqual({ types: "./dist/react.d.ts", default: "./dist/react.js" })
    expect(manifest.dependencies).toBeUndefined()
    const others = [...files.keys()].filter((name) => !/^dist\/.*(?:\.js|\.d\.ts)$/.test(name))
    expect(others.sort()).toEqual(["README.md", "package.json"])
  })

  test("shows, on its own page, the example of the first page of the documentation", async () => {
    const shown = /^```ts\n([^]*?)^```$/m.exec(files.get("README.md") ?? "")?.[1]
    const first = (await readExamples()).find(({ name }) => name === "first-chat/chat.ts")
    expect(shown).toBe(first?.code)
  })

  test("leaves the manifest as it was when it has been packed", async () => {
    const [afterwards, now] = await sdk.manifests("client")
    expect(afterwards).toBe(now)
  })

  test.each([
    { module: "nodenext", moduleResolution: "nodenext" },
    { module: "esnext", moduleResolution: "bundler" },
  ])("has types that need no other package ($moduleResolution)", async (options) => {
    await sdk.write(
      "typed.ts",
      `import { GrizzClient, GrizzError, type ConversationState, type MessageResource } from "@grizz/client"
import { useConversation, useReply } from "@grizz/client/react"
import { timeline } from "@grizz/client/timeline"
const client = new GrizzClient({ url: "", token: async () => "" })
const page = await client.call("GET /conversations/{id}/messages", { id: "1", query: { limit: 2 } })
const message: MessageResource | undefined = page.data[0]
const items = (state: ConversationState) => timeline(state).map(({ key }) => key)
// @ts-expect-error a call that is not there
void client.call("GET /nothing")
// @ts-expect-error an id is needed
void client.call("GET /conversations/{id}")
export { GrizzError, items, message, useConversation, useReply }
`,
    )
    expect(await sdk.complaints("typed.ts", options)).toBe("")
  })

  test("has the protocol's types, all of them", async () => {
    await sdk.link("@grizz/protocol", "zod")
    await sdk.write(
      "equal.ts",
      `import type * as source from "@grizz/protocol"
import type * as published from "./node_modules/@grizz/client/dist/protocol.js"
type Same<One, Other> = (<T>() => T extends One ? 1 : 2) extends (<T>() => T extends Other ? 1 : 2) ? true : [One, Other]
type Flat<Type> = Type extends object ? { [Key in keyof Type]: Flat<Type[Key]> } : Type
const names = {
  conversation: true satisfies Same<Flat<published.ConversationResource>, Flat<source.ConversationResource>>,
  message: true satisfies Same<Flat<published.MessageResource>, Flat<source.MessageResource>>,
  conversations: true satisfies Same<Flat<published.ConversationPage>, Flat<source.ConversationPage>>,
  messages: true satisfies Same<Flat<published.MessagePage>, Flat<source.MessagePage>>,
  search: true satisfies Same<Flat<published.SearchPage>, Flat<source.SearchPage>>,
  turn: true satisfies Same<Flat<published.Turn>, Flat<source.Turn>>,
  config: true satisfies Same<Flat<published.PageConfig>, Flat<source.PageConfig>>,
  running: true satisfies Same<Flat<published.RunningReply>, Flat<source.RunningReply>>,
  queued: true satisfies Same<Flat<published.QueuedReply>, Flat<source.QueuedReply>>,
  replyError: true satisfies Same<Flat<published.ReplyError>, Flat<source.ReplyError>>,
  client: true satisfies Same<Flat<published.ClientFrame>, Flat<source.ClientFrame>>,
  server: true satisfies Same<Flat<published.ServerFrame>, Flat<source.ServerFrame>>,
  codes: true satisfies Same<published.ErrorCode, source.ErrorCode>,
}
export { names }
`,
    )
    expect(await sdk.complaints("equal.ts", { skipLibCheck: true })).toBe("")
  })

  test("chats from an ESM file, over a WebSocket where Node has one", async () => {
    await sdk.write("chat.js", program(real.line.url))
    real.model.say("Hello, package.")
    real.model.finish()
    expect(await sdk.output(process.execPath, "chat.js")).toBe("websocket Hello, package.\n")
  })

  test.skipIf(olderNode === null)(
    `chats from a Node without WebSockets${olderNode === null ? ": no Node 20 or 21 found" : ""}`,
    async () => {
      await sdk.write("chat.js", program(real.line.url))
      real.model.say("Hello, older one.")
      real.model.finish()
      expect(await sdk.output(olderNode ?? "", "chat.js")).toBe("sse Hello, older one.\n")
    },
  )

  test("is built into a Vite app, whose first script has no part that is rarely needed", async () => {
    await sdk.write("main.js", program("http://engine.test"))
    await sdk.write("index.html", '<script type="module" src="/main.js"></script>')
    const built = await build({ root: sdk.project, configFile: false, logLevel: "error", build: { write: false } })
    const [output] = Array.isArray(built) ? built : [built]
    const chunks = output !== undefined && "output" in output ? output.output : []
    const entry = chunks.find((chunk) => chunk.type === "chunk" && chunk.isEntry)
    const code = entry?.type === "chunk" ? entry.code : ""
    expect(code).toContain("Hello from a package")
    expect(code).not.toContain("getReader")
    expect(chunks.some((chunk) => chunk.type === "chunk" && chunk.code.includes("getReader"))).toBe(true)
  })
})

import { execFile, execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { build, preview } from "vite"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { startOfflineModel } from "../../src/llm/offline-model.ts"
import { PageBrowser } from "../../../web/test/support/browser-page.ts"
import { findChromium } from "../../../web/test/support/chromium.ts"
import { freePort, GrizzProcess, type GrizzOptions } from "../support/grizz-process.ts"
import { createServerDatabase, postgresUrl } from "../support/database-kinds.ts"
import { findOlderNode } from "../support/older-node.ts"
import { ScriptedModel } from "../support/scripted-model.ts"
import { PublishedPackages } from "./published-packages.ts"

const run = promisify(execFile)
const bundled = `node-${process.platform}-${process.arch}`

const chromium = findChromium()
const missing =
  postgresUrl === null ? ": no postgres found" : chromium === null ? ", not opened: no Chromium found" : ""

let packages: PublishedPackages
let processes: GrizzProcess[] = []

beforeAll(async () => {
  packages = await PublishedPackages.install()
}, 240_000)
afterEach(async () => {
  await Promise.all(processes.map((one) => one.end()))
  processes = []
})
afterAll(() => packages.remove())

function start(args: string[], options: Partial<GrizzOptions> = {}): GrizzProcess {
  const grizz = new GrizzProcess({ args, cwd: packages.project, command: ["npx", "grizz"], ...options })
  processes.push(grizz)
  return grizz
}

/** One that is too old for the engine. */
const olderNode = findOlderNode(24)

async function untilServed(url: string): Promise<void> {
  await expect
    .poll(
      () =>
        fetch(`${url}/ready`).then(
          ({ status }) => status,
          () => 0,
        ),
      { timeout: 60_000 },
    )
    .toBe(200)
}

/** One turn with the SDK, as an app: what became of it is printed, and shown where there is a page. */
const app = (url: string) => `import { developmentToken, GrizzClient } from "@grizz/client"
const { access_token } = await developmentToken("${url}")
const today = new GrizzClient({ url: "${url}", token: async () => access_token }).today()
today.send("Hello from an empty folder")
const { messages, connection } = await today.until((state) => state.messages.length === 2 && state.reply === null)
const turn = [connection.via, messages[1].status, messages[1].content].join(" ")
console.log(turn)
globalThis.document?.body.append(turn)
today.close()
`

/** As a program of Node.js. */
async function chat(url: string): Promise<string> {
  await packages.write("chat.js", app(url))
  return packages.output(process.execPath, "chat.js")
}

/** As a page that Vite has built, in Chromium. */
async function chatOnPage(url: string, port: number): Promise<string> {
  await packages.write("app.js", app(url))
  await packages.write("index.html", '<body><script type="module" src="/app.js"></script></body>')
  const vite = { root: packages.project, configFile: false, logLevel: "error", envFile: false } as const
  await build(vite)
  const server = await preview({ ...vite, preview: { port, strictPort: true, host: "127.0.0.1" } })
  const browser = await PageBrowser.start(chromium ?? "")
  try {
    const page = await browser.visit(`http://127.0.0.1:${port}`)
    return await page.getByText("completed").innerText()
  } finally {
    await browser.stop()
    await server.close()
  }
}

async function expectPage(url: string): Promise<void> {
  const page = await (await fetch(url)).text()
  const script = /<script [^>]*src="([^"]+)"/.exec(page)?.[1] ?? ""
  expect((await fetch(`${url}${script}`)).headers.get("content-type")).toMatch(/javascript/)
}

/** It says what does not compile, too. */
const typed = `import { type ServerFrame, serverFrame } from "@grizz/protocol"
import { closeCodes } from "@grizz/protocol/constants"
import { main } from "@grizz/engine/dist/main.js"
import { type ConversationState, GrizzClient } from "@grizz/client"
const frame: ServerFrame = serverFrame.parse({ type: "pong" })
// @ts-expect-error no such code
closeCodes.nothing
// @ts-expect-error the environment is missing
void main([])
// @ts-expect-error a token is missing
new GrizzClient({ url: "" })
export { type ConversationState, frame }
`

describe("the packages, packed by npm and installed into an empty folder", () => {
  test("bring what they need, with a Node.js for this machine, and nothing that builds or tests them", () => {
    expect(packages.taken).toEqual(expect.arrayContaining(["fastify", "pg", "zod"]))
    expect(packages.taken).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(?:vite|typescript|react|vitest)$/)]),
    )
    expect(existsSync(packages.path(`node_modules/${bundled}`))).toBe(process.platform !== "darwin")
  })

  test.skipIf(postgresUrl === null)(
    `work there: compiled code with types, npx grizz serve, the SDK in a file and in a Vite app${missing}`,
    async () => {
      for (const name of ["protocol", "client", "engine"]) {
        const files = [...(await packages.files(name)).keys()]
        const main = name === "engine" ? "main" : "index"
        expect(files).toEqual(expect.arrayContaining([`dist/${main}.js`, `dist/${main}.d.ts`]))
        expect(files.filter((file) => /\.tsx?$/.test(file) && !file.endsWith(".d.ts"))).toEqual([])
        expect(files.filter((file) => /\btest\b/.test(file))).toEqual([])
        const [afterwards, now] = await packages.manifests(name)
        expect(afterwards).toBe(now)
      }
      await packages.write("typed.ts", typed)
      expect(await packages.complaints("typed.ts", { skipLibCheck: true })).toBe("")

      const database = await createServerDatabase()
      const [port, appPort] = [await freePort(), await freePort()]
      const url = `http://127.0.0.1:${port}`
      const env = { DATABASE_URL: database.url, HOST: "127.0.0.1", PORT: String(port) }
      const migrate = start(["migrate"], { env })
      expect(await migrate.exited).toEqual({ code: 0, signal: null })
      expect(migrate.output).toMatch(/Applied 0001/)
      const origins = { ALLOWED_ORIGINS: `http://127.0.0.1:${appPort}` }
      const serve = start(["serve", "--offline-model"], { env: { ...env, ...origins } })
      await untilServed(url)
      await expectPage(url)

      expect(await chat(url)).toMatch(/^websocket completed .*offline/s)
      if (chromium !== null) expect(await chatOnPage(url, appPort)).toMatch(/^websocket completed .*offline/s)

      serve.killGroup("SIGTERM")
      await serve.exited
      expect(serve.output).toMatch(/"stopped"/)
      await database.drop()
    },
    240_000,
  )

  describe.skipIf(postgresUrl === null)(`told to stop${postgresUrl === null ? ": no postgres found" : ""}`, () => {
    const page = readFileSync(join(import.meta.dirname, "../../../../docs/operations.md"), "utf8")
    const [, program = "", npm = "", script = ""] =
      /the program itself:\n`([^`]+)`; or `(npm start)`, with `"start": "([^"]+)"`/.exec(page) ?? []

    test.each([program, npm])(
      "finish a running reply and end with 0, when started with %s",
      async (line) => {
        await packages.write("package.json", JSON.stringify({ type: "module", scripts: { start: script } }))
        const database = await createServerDatabase()
        const model = new ScriptedModel()
        const server = await startOfflineModel({
          script: (request) => model.script(request),
          tokensPerSecond: Infinity,
        })
        const port = await freePort()
        const url = `http://127.0.0.1:${port}`
        const env = {
          DATABASE_URL: database.url,
          OPENAI_BASE_URL: server.baseUrl,
          HOST: "127.0.0.1",
          PORT: String(port),
        }
        const [file = "", ...args] = line.split(" ")
        const serve = start([], { env, command: [file, ...args] })
        await untilServed(url)
        const answer = chat(url)
        model.say("Almost ")
        await expect.poll(() => model.asked, { timeout: 60_000 }).toHaveLength(1)
        serve.kill("SIGTERM")
        await serve.until(/shutting down/)
        model.say("there.", { finish: "stop" })
        expect(await answer).toBe("websocket completed Almost there.\n")
        expect(await serve.exited).toEqual({ code: 0, signal: null })
        await server.close()
        await database.drop()
      },
      90_000,
    )
  })

  test("start on embedded PostgreSQL, and do not stay behind when npx is told to stop and does not tell them", async () => {
    const grizz = start(["start", "--port", "0"])
    const url = await grizz.ready()
    await expectPage(url)
    expect(await chat(url)).toMatch(/^websocket completed .*offline/s)
    const hello = `echo hi | npx grizz chat --url ${url}`
    expect((await run("sh", ["-c", hello], { cwd: packages.project })).stdout).toMatch(/offline/)
    if (olderNode !== null) {
      // As where no Node.js came with them: the SDK then has no WebSocket.
      const program = `import { chat } from "@grizz/engine/dist/chat/chat.js"\nawait chat(["--url", "${url}"], process.env)\n`
      const file = await packages.write("older.js", program)
      expect((await run("sh", ["-c", `echo hi | '${olderNode}' '${file}'`])).stdout).toMatch(/offline/)
    }
    grizz.kill("SIGTERM")
    // What it prints ends with the last process that holds it.
    await grizz.exited
    expect(grizz.output).toMatch(/stopped/)
    await expect(fetch(url)).rejects.toThrow("fetch failed")
  }, 240_000)

  describe.skipIf(olderNode === null)(`under an older Node.js${olderNode === null ? ": none found" : ""}`, () => {
    const command = (): [string, string] => [olderNode ?? "", packages.path("node_modules/@grizz/engine/bin/grizz.js")]

    /** Ids of the processes that were started by this one. */
    const childrenOf = (grizz: GrizzProcess): number[] =>
      execFileSync("ps", ["-o", "pid=", "--ppid", String(grizz.child.pid)], { encoding: "utf8" })
        .trim()
        .split(/\s+/)
        .map(Number)

    function isAlive(pid: number): boolean {
      try {
        return process.kill(pid, 0)
      } catch {
        // No such process.
        return false
      }
    }

    test("run on the one that came with them, and end with its exit code", async () => {
      const unknown = start(["dance"], { command: command() })
      expect(await unknown.exited).toEqual({ code: 2, signal: null })
      expect(unknown.output).toMatch(/There is no command "dance"/)
      const token = start(["token"], { command: command() })
      expect(await token.exited).toEqual({ code: 0, signal: null })
    })

    test("pass a signal on, and end when the engine has ended", async () => {
      const grizz = start(["start", "--port", "0"], { command: command() })
      const url = await grizz.ready()
      const [engine = 0] = childrenOf(grizz)
      expect(execFileSync("ps", ["-o", "args=", String(engine)], { encoding: "utf8" })).toMatch(
        /max-semi-space-size=16/,
      )
      grizz.kill("SIGTERM")
      await grizz.until(/shutting down/)
      expect(await grizz.exited).toEqual({ code: 0, signal: null })
      expect(grizz.output).toMatch(/stopped/)
      await expect(fetch(url)).rejects.toThrow("fetch failed")
    }, 240_000)

    test("leave nothing behind when they are killed, and die of what the engine dies of", async () => {
      const first = start(["start", "--port", "0"], { command: command() })
      const url = await first.ready()
      const [engine = 0] = childrenOf(first)
      first.kill("SIGKILL")
      expect(await first.exited).toEqual({ code: null, signal: "SIGKILL" })
      await expect.poll(() => isAlive(engine), { timeout: 20_000 }).toBe(false)
      await expect(fetch(url)).rejects.toThrow("fetch failed")
      const second = start(["start", "--port", "0"], { command: command() })
      await second.ready()
      process.kill(childrenOf(second)[0] ?? 0, "SIGKILL")
      expect(await second.exited).toEqual({ code: null, signal: "SIGKILL" })
    }, 240_000)
  })
})

import { execFileSync } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { type OfflineModel, startOfflineModel } from "../../src/llm/offline-model.ts"
import { freePort, GrizzProcess } from "../support/grizz-process.ts"
import { ScriptedModel } from "../support/scripted-model.ts"

const root = join(import.meta.dirname, "../../../..")
const program = join(root, "packages/engine/bin/grizz.js")

let folder: string
let port: number
let url: string
let engine: GrizzProcess
let model = new ScriptedModel()
let server: OfflineModel
const open: GrizzProcess[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "grizz-chat-"))
  port = await freePort()
  server = await startOfflineModel({ script: (request) => model.script(request), tokensPerSecond: Infinity })
  await start()
})
beforeEach(() => {
  model = new ScriptedModel()
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.end()))
})
afterAll(async () => {
  await engine.end()
  await server.close()
  await rm(folder, { recursive: true })
})

async function start(): Promise<void> {
  const env = { OPENAI_BASE_URL: server.baseUrl, OPENAI_API_KEY: "none" }
  engine = new GrizzProcess({ args: ["start", "--port", String(port)], cwd: folder, env })
  url = await engine.ready()
}

function run(...command: [string, ...string[]]): GrizzProcess {
  const one = new GrizzProcess({ args: [], cwd: root, command })
  open.push(one)
  return one
}

/** The chat with these lines on its standard input, and what it printed where. */
async function piped(lines: string, ...args: string[]) {
  const chat = run(process.execPath, program, "chat", "--url", url, ...args)
  let answers = ""
  chat.child.stdout?.on("data", (data: Buffer) => (answers += data.toString()))
  chat.child.stdin?.end(lines)
  const { code } = await chat.exited
  return { code, answers, output: chat.output }
}

function answer(...texts: string[]): void {
  for (const text of texts) model.say(text, { finish: "stop" })
}

describe("the chat of a pipe", () => {
  test("prints the answer, as the README shows", async () => {
    const readme = await readFile(join(root, "README.md"), "utf8")
    const line = /^echo .* \| npx grizz chat$/m.exec(readme)?.[0] ?? ""
    answer("I am Grizz.")
    const chat = run("sh", "-c", `${line} --url ${url}`)
    expect(await chat.exited).toEqual({ code: 0, signal: null })
    expect(chat.output).toBe("I am Grizz.\n")
    expect(model.asked.at(-1)).toBe("Who are you?")
  })

  test("answers line after line, and knows its commands", async () => {
    answer("One.", "Another one.", "Two.")
    expect(await piped("first\n/retry\n\n//second\n/dance\n")).toEqual({
      code: 0,
      answers: "One.\nAnother one.\nTwo.\n",
      output: expect.stringContaining("There is no /dance"),
    })
    expect(model.asked.at(-1)).toBe("/second")
  })

  test("gives no command of the model's to the terminal", async () => {
    answer("\u001b]0;mine\u0007 \u009b2Jtext")
    const { output } = await piped("hi\n")
    expect(output).toBe("]0;mine 2Jtext\n")
  })

  test("says why an answer failed, and fails", async () => {
    model.say({ status: 400 })
    expect(await piped("hi\n")).toEqual({
      code: 1,
      answers: "",
      output: expect.stringMatching(/^the answer failed: .+/),
    })
  })

  test("says what is needed in a sentence, and never the token", async () => {
    const refused = await piped("hi\n", "--token", "my-secret-token")
    expect(refused).toEqual({ code: 1, answers: "", output: expect.stringMatching(/token/i) })
    const misplaced = await piped("hi\n", "--tokn", "my-secret-token")
    expect(misplaced).toEqual({ code: 2, answers: "", output: expect.stringMatching(/^Usage: grizz chat/) })
    expect(refused.output + misplaced.output).not.toContain("my-secret-token")
    const nobody = await piped("hi\n", "--url", "http://127.0.0.1:1")
    expect(nobody).toEqual({
      code: 1,
      answers: "",
      output: expect.stringMatching(/^No engine answers at .*--url\.\n$/),
    })
  })

  test("finds another conversation only by an id that is its own", async () => {
    const { code, output } = await piped("hi\n", "--conversation", "00000000-0000-4000-8000-000000000000")
    expect(code).toBe(1)
    expect(output.trim().split("\n")).toHaveLength(1)
  })
})

function findScript(): boolean {
  try {
    return execFileSync("script", ["--version"], { encoding: "utf8" }).includes("util-linux")
  } catch {
    // Not installed.
    return false
  }
}
const hasScript = findScript()

describe.skipIf(!hasScript)(`the chat in a terminal${hasScript ? "" : ": no script of util-linux found"}`, () => {
  function terminal(): GrizzProcess {
    const command = `'${process.execPath}' '${program}' chat --url ${url}`
    return run("script", "-qfec", command, "/dev/null")
  }
  const type = (chat: GrizzProcess, keys: string) => chat.child.stdin?.write(keys)

  test("streams, goes on after the engine was killed, and keeps what was typed meanwhile", async () => {
    const chat = terminal()
    await chat.until(/› /)
    type(chat, "Tell me\r")
    model.say("The answer begins, ")
    await chat.until(/The answer begins, /)
    engine.kill("SIGKILL")
    await engine.exited
    await chat.until(/connection lost/)
    type(chat, "And in the dark\r")
    await chat.until(/no connection: it waits/)
    answer("The answer begins, and it ends.", "I heard you.")
    await start()
    await chat.until(/and it ends\.\s[^]*I heard you\.\s[^]*› /)
    expect(chat.output.match(/The answer begins/g)).toHaveLength(1)
    type(chat, "/quit\r")
    expect((await chat.exited).code).toBe(0)
  }, 90_000)

  test("Ctrl-C stops the answer, and leaves when there is none", async () => {
    const chat = terminal()
    await chat.until(/› /)
    type(chat, "Tell me\r")
    model.say("Without an end ")
    await chat.until(/Without an end/)
    type(chat, "\u0003")
    await chat.until(/stopped[^]*› /)
    type(chat, "\u0003")
    expect((await chat.exited).code).toBe(0)
  })
})

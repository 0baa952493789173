import { execFile, execFileSync } from "node:child_process"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
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
  return answersOf(run(process.execPath, program, "chat", "--url", url, ...args), lines)
}

async function answersOf(chat: GrizzProcess, lines: string) {
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

  test("signs in the user of a token in the environment, where no list of processes shows it", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [program, "token"], { cwd: folder })
    const signedIn = (token: string) => {
      const chat = new GrizzProcess({ args: ["chat", "--url", url], cwd: root, env: { GRIZZ_TOKEN: token } })
      open.push(chat)
      return answersOf(chat, "hi\n")
    }
    answer("Hello.")
    expect(await signedIn(stdout.trim())).toEqual({ code: 0, answers: "Hello.\n", output: "Hello.\n" })
    const refused = await signedIn("my-secret-token")
    expect(refused).toEqual({ code: 1, answers: "", output: expect.stringMatching(/token/i) })
    expect(refused.output).not.toContain("my-secret-token")
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
  function terminal(env = ""): GrizzProcess {
    const command = `stty cols 80 rows 24; ${env} '${process.execPath}' '${program}' chat --url ${url}`
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

  test("says what happens above the line that is being typed, however long that is", async () => {
    const chat = terminal()
    await chat.until(/› /)
    const long = "half a thought, ".repeat(12)
    type(chat, long)
    await chat.until(/(?:half a thought, ){12}/)
    answer("An answer.")
    await piped("From elsewhere\n")
    // Up to the first row of the line, which is erased with those below; afterwards the line is there again.
    await chat.until(/.\[2A.\[1G.\[0J.\[2myou: From elsewhere[^]*An answer\.\s[^]*› (?:half a thought, ){12}/)
    answer("A whole one.")
    type(chat, "and the rest\r")
    await chat.until(/A whole one\.\s[^]*› /)
    expect(model.asked.at(-1)).toBe(`${long}and the rest`)
  })

  test("goes on to the new day at midnight, once the answer of the old one is whole", async () => {
    const file = join(folder, "traveller.mjs")
    const travels = join(folder, "travels")
    await writeFile(file, overTheDateLine(travels))
    const chat = terminal(`TZ=Pacific/Pago_Pago NODE_OPTIONS='--import ${pathToFileURL(file).href}'`)
    await chat.until(/› /)
    type(chat, "Before midnight\r")
    model.say("Almost ")
    await chat.until(/Almost /)
    await writeFile(travels, "leave")
    await expect.poll(() => readFile(travels, "utf8"), { timeout: 60_000 }).toBe("arrived")
    model.say("there.", { finish: "stop" })
    await chat.until(/Almost there\.\s[^]*a new day has begun[^]*› /)
    answer("Good morning.")
    type(chat, "After midnight\r")
    await chat.until(/Good morning\.\s[^]*› /)
    expect(model.asked).toContain("After midnight")
    expect(model.asked).not.toContain("Before midnight")
    type(chat, "/quit\r")
    expect((await chat.exited).code).toBe(0)
  }, 90_000)
})

/** Preloaded into a program: when the file appears it sleeps a minute, and wakes in a zone where it is another day. */
function overTheDateLine(file: string): string {
  const name = JSON.stringify(file)
  return `import { existsSync, writeFileSync } from "node:fs"
const { now } = Date
const timer = setInterval(() => {
  if (!existsSync(${name})) return
  clearInterval(timer)
  process.env.TZ = "Pacific/Kiritimati"
  Date.now = () => {
    writeFileSync(${name}, "arrived")
    return now() + 60_000
  }
}, 50)
timer.unref()
`
}

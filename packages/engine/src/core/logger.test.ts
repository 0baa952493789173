import { describe, expect, test } from "vitest"
import { createLogger, type Logger, type LoggerOptions } from "./logger.ts"

function recorded(options: Partial<LoggerOptions> = {}): { log: Logger; lines: string[] } {
  const lines: string[] = []
  const stream = { write: (line: string) => void lines.push(line) }
  return { log: createLogger({ level: "info", pretty: false, stream, ...options }), lines }
}

const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"

describe.each([false, true])("with pretty = %s, an event", (pretty) => {
  test("is one line, whatever is in it", () => {
    const { log, lines } = recorded({ pretty })
    const hostile = "a\nb\r\nc\u0085d\u2028e\u2029f\u001b[31mg\u007fh\u009bi\u202ej\0k"
    log.info({ field: hostile, [hostile]: 1, nested: { list: [hostile] } }, hostile)
    log.error({ err: new Error(hostile, { cause: new Error(hostile) }) }, "failed")
    log.child({ bound: hostile }).warn("bound")
    expect(lines).toHaveLength(3)
    for (const line of lines) {
      expect(line.endsWith("\n")).toBe(true)
      // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
      expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202e]/)
    }
  })

  test("holds no secret, whoever wrote it and wherever", () => {
    const { log, lines } = recorded({ pretty, secrets: ["correct horse battery"] })
    log.info({ url: `/ws?token=${jwt}` }, `opened /ws?token=${jwt}`)
    log.info({ req: { method: "GET", url: "/ws?%74oken=s3cr3tValue", headers: { authorization: "s3cr3tValue" } } })
    log.info({ headers: { authorization: "s3cr3tValue", cookie: "s3cr3tValue", apikey: "s3cr3tValue" } })
    log.error(new Error("connect postgres://u:s3cr3tValue@h/d", { cause: new Error(`Bearer ${jwt}`) }))
    log.warn("the password is %s", "correct horse battery")
    log.child({ token: "s3cr3tValue" }).info("bound")
    expect(lines).toHaveLength(6)
    expect(lines.join("")).not.toMatch(/s3cr3tValue|eyJ|correct horse/)
  })
})

test("a JSON line says its level by name and its time in UTC", () => {
  const { log, lines } = recorded()
  log.warn({ n: 1 }, "hello")
  const line: unknown = JSON.parse(lines[0] ?? "")
  expect(line).toMatchObject({ level: "warn", n: 1, msg: "hello", time: expect.stringMatching(/^\d{4}-.+T.+Z$/) })
})

test("a readable line has level, message and fields, and quotes and backslashes as they are", () => {
  const { log, lines } = recorded({ pretty: true })
  log.info({ n: 1 }, String.raw`C:\new "x"`)
  expect(lines[0]).toMatch(/INFO: C:\\new "x" \{"n":1\}\n$/)
})

test("the level holds events back", () => {
  const { log, lines } = recorded({ level: "error" })
  log.info("no")
  log.error("yes")
  expect(lines).toHaveLength(1)
})

describe("an error", () => {
  test("is logged by name, code, message, stack and causes, without what a driver attached", () => {
    const { log, lines } = recorded()
    const cause = Object.assign(new Error("duplicate key"), { code: "23505", detail: "Key (content)=(my diary)" })
    log.error({ err: new TypeError("outer", { cause }) }, "failed")
    const line: unknown = JSON.parse(lines[0] ?? "")
    expect(line).toMatchObject({
      err: {
        type: "TypeError",
        message: "outer",
        stack: expect.stringContaining("logger.test.ts"),
        cause: { type: "Error", code: "23505", message: "duplicate key" },
      },
    })
    expect(lines[0]).not.toContain("diary")
  })

  test("of any shape or size is logged without throwing", () => {
    const { log, lines } = recorded()
    const loop = new Error("loop")
    loop.cause = loop
    for (const err of [
      loop,
      new AggregateError([new Error("first")], "all"),
      "text",
      null,
      new Error("x".repeat(100_000)),
    ]) {
      log.error({ err }, "failed")
    }
    expect(lines).toHaveLength(5)
    expect(lines[1]).toContain("first")
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(20_000)
  })
})

test("a request is logged by method, URL and address alone", () => {
  const { log, lines } = recorded()
  log.info({ req: { method: "GET", url: "/health", ip: "127.0.0.1", headers: { "x-private": "1" }, raw: {} } }, "in")
  const line: unknown = JSON.parse(lines[0] ?? "")
  expect(line).toMatchObject({ req: { method: "GET", url: "/health", ip: "127.0.0.1" } })
  expect(lines[0]).not.toContain("x-private")
})

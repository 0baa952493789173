import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { clientFrame, closeCodes, limits, replyErrorCodes, requestErrorCodes, serverFrame } from "../src/index.ts"

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8")
const fixtures = (name: string) =>
  Object.entries(JSON.parse(read(`../fixtures/${name}.json`)) as Record<string, object>)
const page = read("../../../PROTOCOL.md")

test.each(fixtures("client-frames"))("the golden client frame %s is read as it is", (_, frame) => {
  expect(clientFrame.parse(frame)).toEqual(frame)
})

test.each(fixtures("server-frames"))("the golden server frame %s is read as it is", (_, frame) => {
  expect(serverFrame.parse(frame)).toEqual(frame)
})

test("every frame type has a golden frame, and a row in PROTOCOL.md", () => {
  for (const [name, schema] of [
    ["client-frames", clientFrame],
    ["server-frames", serverFrame],
  ] as const) {
    const golden = new Set(fixtures(name).map(([, frame]) => ("type" in frame ? frame.type : undefined)))
    for (const { shape } of schema.options) {
      const type = shape.type.value
      expect(golden).toContain(type)
      const fields = Object.keys(shape).filter((field) => field !== "type")
      const row = page.split("\n").find((line) => line.startsWith(`| \`${type}\` |`)) ?? ""
      for (const field of fields) expect(row, `the row of ${type}`).toMatch(new RegExp(`\`${field}\\??\``))
    }
  }
})

test("PROTOCOL.md names every code and every limit as they are", () => {
  for (const code of [...requestErrorCodes, ...replyErrorCodes]) expect(page).toContain(`\`${code}\``)
  for (const code of Object.values(closeCodes)) expect(page).toContain(`| ${code} |`)
  for (const value of [`${limits.frameMaxBytes / 1024} KiB`, "32,000 units", `${limits.titleMaxLength} units`]) {
    expect(page).toContain(value)
  }
  expect(page).toContain(`| connections of one user | ${limits.socketsPerUser} |`)
  expect(page).toContain(`pings every ${limits.pingIntervalMs / 1000} s`)
})

test.each([
  ["an id in capitals is the same id", "0197A3C2-9A00-7000-8000-000000000001", "0197a3c2-9a00-7000-8000-000000000001"],
  ["a UUID of any version is an id", "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000"],
])("%s", (_, id, expected) => {
  expect(clientFrame.parse({ type: "message.send", id, content: "a" })).toMatchObject({ id: expected })
})

test("text is stored verbatim: nothing is trimmed or normalised", () => {
  for (const content of ["  a  ", "e\u0301", "\ufeffa", "a\r\nb", "<b>", "👨‍👩‍👧"]) {
    expect(
      clientFrame.parse({ type: "message.send", id: "00000000-0000-0000-0000-000000000000", content }),
    ).toMatchObject({
      content,
    })
  }
})

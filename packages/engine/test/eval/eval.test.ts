import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, test } from "vitest"
import { findPostgresBinaries } from "../support/postgres-server.ts"

const program = fileURLToPath(new URL("main.ts", import.meta.url))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "grizz-eval-"))
})
afterAll(() => rm(folder, { recursive: true }))

function run(...flags: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...flags], (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
  })
}

const turn = (dia_id: string, speaker: string, text: string, blip_caption?: string) => ({
  dia_id,
  speaker,
  text,
  ...(blip_caption !== undefined && { blip_caption }),
})

/** Made up; the file's form, with a caption, malformed evidence, and a question whose evidence does not exist. */
const sample = {
  sample_id: "made-up",
  conversation: {
    speaker_a: "Ada",
    speaker_b: "Bo",
    session_1_date_time: "12:05 am on 3 March, 2024",
    session_1: [
      turn("D1:1", "Ada", "I planted three quinces behind the shed"),
      turn("D1:2", "Bo", "Mine never bear fruit", "a bare quince"),
      turn("D1:3", "Ada", "Tomorrow I begin with the fence"),
    ],
    session_2_date_time: "4:30 pm on 9 April, 2024",
    session_2: [turn("D2:1", "Bo", "I sold my old tractor"), turn("D2:2", "Ada", "For how much?")],
    session_3_date_time: "1:00 pm on 1 May, 2024",
  },
  qa: [
    { question: "Where did Ada plant quinces?", answer: "behind the shed", category: 4, evidence: ["D1:1"] },
    { question: "What did Bo sell?", answer: "a tractor", category: 1, evidence: ["D2:1; D9:9"] },
    { question: "What has Bo's quince?", category: 5, evidence: ["D:1:2", "D1:02"] },
    { question: "What of the moon?", category: 3, evidence: ["D7:1"] },
  ],
}

test("prints one object of the documented form, in per cent", async () => {
  const file = join(folder, "sample.json")
  await writeFile(file, JSON.stringify([sample]))
  const { status, stdout } = await run("--data", file, "--no-scale", "--json")
  expect(status).toBe(0)
  expect(stdout.trim().split("\n")).toHaveLength(1)
  const all = { at5: 100, at10: 100, at25: 100, at50: 100 }
  const times = { 600: { p50: expect.any(Number), p95: expect.any(Number) } }
  expect(JSON.parse(stdout)).toEqual({
    questions: 2,
    recall: all,
    all_categories: all,
    by_category: { 1: all, 4: all, 5: all },
    within_tokens: { 1000: 100, 2000: 100 },
    latency_ms: { embedded: times, ...(findPostgresBinaries() !== null && { server: times }) },
    // "sold" is no form of "sell" to it.
    baselines: { newest: all, ts_rank_cd: { at5: 50, at10: 50, at25: 50, at50: 50 } },
  })
}, 300_000)

test("says what is missing, by its name, and fails", async () => {
  const { status, stdout, stderr } = await run("--data", join(folder, "absent.json"), "--json")
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" })
  expect(stderr).toContain("absent.json")
})

const other = { ...sample, conversation: { ...sample.conversation, session_2: [{ dia_id: "D2:1", speaker: "Bo" }] } }
test.each([
  ["a turn without its text", JSON.stringify([other]), "text"],
  ["no samples", "{}", "array"],
  ["no JSON", "[{", "JSON"],
])("says where a file has another form: %s", async (_, content, said) => {
  const file = join(folder, "other.json")
  await writeFile(file, content)
  const { status, stdout, stderr } = await run("--data", file, "--json")
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" })
  expect(stderr).toMatch(/^eval:memory did not run: .*other\.json has another form: /)
  expect(stderr).toContain(said)
})

test("refuses a flag that it does not know", async () => {
  expect((await run("--fast")).status).toBe(1)
})

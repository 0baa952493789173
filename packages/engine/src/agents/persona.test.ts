import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { loadPersona, parsePersona } from "./persona.ts"

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "persona-"))
})
afterAll(() => rm(folder, { recursive: true }))

async function file(text: string | Uint8Array): Promise<string> {
  const path = join(folder, "persona.md")
  await writeFile(path, text)
  return path
}

const written = "---\nname: Otto\nversion: '3'\n---\nYou are Otto.\n\n---\nYou like rain: a lot.\n"

describe("a persona", () => {
  test("is Grizz when no file is named", async () => {
    const persona = await loadPersona(undefined)
    expect(persona).toMatchObject({ name: "grizz", version: "2026-11-1" })
    expect(persona.systemPrompt).toMatch(/^You are Grizz/)
  })

  test.each([
    ["as it is", written],
    ["with CRLF", written.replaceAll("\n", "\r\n")],
    ["with a byte order mark", `\uFEFF${written}`],
    ["with more in its head", written.replace("---\n", "---\nauthor: me\n# note\n")],
  ])("is read from a file %s", async (_, text) => {
    const persona = await loadPersona(await file(text))
    expect({ ...persona, systemPrompt: persona.systemPrompt.replaceAll("\r", "") }).toEqual({
      name: "Otto",
      version: "3",
      systemPrompt: "You are Otto.\n\n---\nYou like rain: a lot.",
    })
  })

  test.each([
    ["no head", "You are Otto.", 'must begin with a head between two lines of "---".'],
    ["a head without an end", "---\nname: Otto\n", 'must begin with a head between two lines of "---".'],
    ["no name", "---\nversion: 1\n---\nYou", "needs a name of a sensible length."],
    ["neither name nor version", "---\nx: 1\n---\nYou", "needs a name and a version of a sensible length."],
    ["no prompt", "---\nname: a\nversion: 1\n---\n \n", "needs a prompt after its head of a sensible length."],
    [
      "a prompt without an end",
      `---\nname: a\nversion: 1\n---\n${"x".repeat(100_001)}`,
      "needs a prompt after its head of a sensible length.",
    ],
  ])("with %s is refused in a sentence", (_, text, expected) => {
    expect(() => parsePersona(text, "p.md")).toThrow(`The persona file p.md ${expected}`)
  })

  test("that cannot be read is refused in a sentence", async () => {
    const missing = join(folder, "missing.md")
    await expect(loadPersona(missing)).rejects.toThrow(`The persona file ${missing} cannot be read (ENOENT).`)
    await expect(loadPersona(folder)).rejects.toThrow(`The persona file ${folder} cannot be read (EISDIR).`)
    const broken = await file(Uint8Array.of(0xff, 0xfe))
    await expect(loadPersona(broken)).rejects.toThrow(/cannot be read \(ERR_ENCODING_INVALID_ENCODED_DATA\)\.$/)
  })
})

import { Receiver } from "ws"
import fc from "fast-check"
import { expect, test } from "vitest"
import { textFrame } from "./text-frame.ts"

/** What a peer reads out of these frames, by the reader of another library. */
async function read(frames: (string | Buffer)[]): Promise<string[]> {
  const receiver = new Receiver({ isServer: false, maxPayload: 0 })
  const texts: string[] = []
  receiver.on("message", (data: Buffer, isBinary: boolean) => texts.push(isBinary ? "binary" : data.toString()))
  for (const frame of frames) receiver.write(frame, "latin1")
  await new Promise((resolve) => receiver.end(resolve))
  return texts
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
      expect(await read(wellFormed.map(textFrame))).toEqual(wellFormed)
    }),
  )
})

test("the same text for several devices is encoded once", () => {
  const text = "für alle"
  expect(textFrame(text)).toBe(textFrame(text))
})

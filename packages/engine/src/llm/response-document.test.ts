import { expect, test } from "vitest"
import { ResponseDocument } from "./response-document.ts"

const error = Buffer.from('{"error":{"code":"content_filter"}}')

test("a document is read up to 64 KiB", () => {
  const document = new ResponseDocument(500, {}, 0)
  expect(document.add(Buffer.alloc(64 * 1024))).toBe(true)
  expect(document.add(Buffer.alloc(1))).toBe(false)
  expect(document.failure()).toMatchObject({ code: "model_unavailable", transient: true })
})

test("a document that came in parts, all of them in one buffer, is read whole", () => {
  const document = new ResponseDocument(500, {}, 0)
  const shared = Buffer.alloc(64)
  const addPart = (part: Uint8Array) => document.add(shared.fill(0).subarray(0, shared.write(String(part))))
  addPart(error.subarray(0, 9))
  expect(document.failure().code).toBe("model_unavailable")
  addPart(error.subarray(9))
  expect(document.failure().code).toBe("model_refused")
})

import { expect, test } from "vitest"
import { ResponseDocument } from "./response-document.ts"

const error = Buffer.from('{"error":{"code":"content_filter"}}')

test("a document is read up to 64 KiB", () => {
  const document = new ResponseDocument(500, {}, 0)
  expect(document.add(Buffer.alloc(64 * 1024))).toBe(true)
  expect(document.add(Buffer.alloc(1))).toBe(false)
  expect(document.failure()).toMatchObject({ code: "model_unavailable", transient: true })
})

test("a document that came in parts is read whole", () => {
  const document = new ResponseDocument(500, {}, 0)
  document.add(error.subarray(0, 9))
  expect(document.failure().code).toBe("model_unavailable")
  document.add(error.subarray(9))
  expect(document.failure().code).toBe("model_refused")
})

/**
 * A process of its own that tests start and kill: `node embedded-process.ts <folder> hold|write`.
 * `hold` opens the database and waits; `write` inserts numbers one after another and prints each once it is committed.
 * Prints `open` first, or the error's message on stderr.
 */
import { openEmbeddedDatabase } from "../../src/db/embedded-database.ts"

const [, , directory, mode] = process.argv
if (directory === undefined) throw new Error("usage: embedded-process.ts <folder> hold|write")

try {
  const database = await openEmbeddedDatabase({ directory })
  process.on("SIGTERM", () => void database.close().then(() => process.exit(0)))
  process.stdout.write("open\n")
  if (mode === "hold") setInterval(() => undefined, 60_000)
  const insert = { name: "insert", text: "insert into written (text) values (repeat('x', 200)) returning n" }
  if (mode === "write") {
    for (;;) {
      const [row] = await database.query<{ n: number }>(insert)
      process.stdout.write(`${row?.n}\n`)
    }
  }
} catch (error) {
  process.stderr.write(error instanceof Error ? error.message : String(error))
  process.exit(1)
}

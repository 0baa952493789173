import { once } from "node:events"
import type { Readable } from "node:stream"
import type { Client } from "pg"

/** How often each statement ran, by its name; by its first word where it has none. */
export type StatementCounts = Map<string, number>

const executed = /^(\S+) LOG: {2}(?:execute ([^:]+)|statement): (\w+)?/
const marker = "bench: all counted"

/**
 * The statements that reach one database of the server during `work`, from the server's log. It costs the server
 * something: never while CPU is measured.
 */
export async function countStatements(
  admin: Client,
  log: Readable,
  database: string,
  work: () => Promise<void>,
): Promise<StatementCounts> {
  const counts: StatementCounts = new Map()
  const onData = lineReader((line) => {
    const [, place, name, firstWord] = executed.exec(line) ?? []
    if (place !== database) return
    const statement = name === undefined || name === "<unnamed>" ? (firstWord ?? "unnamed").toLowerCase() : name
    counts.set(statement, (counts.get(statement) ?? 0) + 1)
  })
  await admin.query("alter system set log_parameter_max_length = 0")
  await admin.query("alter system set log_line_prefix = '%d '")
  await setStatementLog(admin, "all")
  log.on("data", onData)
  try {
    await work()
    const isWritten = waitForText(log, marker)
    await admin.query(`select '${marker}'`)
    await isWritten
  } finally {
    log.off("data", onData)
    await setStatementLog(admin, "none")
  }
  return counts
}

/** Resolves when the server's processes have heard of it; they all hear of it at about the same time. */
async function setStatementLog(admin: Client, log: "all" | "none"): Promise<void> {
  await admin.query(`alter system set log_statement = '${log}'`)
  await admin.query("select pg_reload_conf()")
  for (;;) {
    const { rows } = await admin.query<{ log_statement: string }>("show log_statement")
    if (rows[0]!.log_statement === log) return
  }
}

async function waitForText(log: Readable, text: string): Promise<void> {
  let said = ""
  while (!said.includes(text)) {
    const [chunk] = await once(log, "data")
    said = said.slice(-text.length) + String(chunk)
  }
}

function lineReader(onLine: (line: string) => void): (chunk: Buffer) => void {
  let rest = ""
  return (chunk) => {
    const lines = (rest + chunk.toString()).split("\n")
    rest = lines.pop()!
    for (const line of lines) onLine(line)
  }
}

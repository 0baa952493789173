import { execFile } from "node:child_process"
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises"
import { globSync, readFileSync } from "node:fs"
import { randomUUID } from "node:crypto"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { describe, expect, onTestFinished, test } from "vitest"
import { missingServer, openServerDatabase, postgresUrl } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"
import { freePort, GrizzProcess, program } from "../support/grizz-process.ts"
import { Nodes } from "../support/nodes.ts"
import { startPostgresServer } from "../support/postgres-server.ts"
import { findRedisServer, RedisServer } from "../support/redis-server.ts"
import { makeSupabaseRoles } from "../support/supabase-roles.ts"
import { repository } from "./dockerfile.ts"

const page = readFileSync(join(repository, "docs/operations.md"), "utf8")

test("docs/operations.md explains every line of the log that is a warning or an error, and no other", () => {
  const call = /\blog(?:ger)?\.(warn|error|fatal)\(\s*(?:[^"]*,\s*)?"([^"]+)"/g
  const files = globSync("packages/engine/src/**/*.ts", { cwd: repository, exclude: ["**/*.test.ts"] })
  const said = files.flatMap((file) => {
    const source = readFileSync(join(repository, file), "utf8")
    return [...source.matchAll(call)].map(([, level, line]) => `${level} | ${line}`)
  })
  const explained = [...page.matchAll(/^\| (warn|error|fatal) \| ([^|]+) \|/gm)].map(
    ([, level, line]) => `${level} | ${line}`,
  )
  expect(said.length).toBeGreaterThan(15)
  expect(explained.toSorted()).toEqual([...new Set(said)].toSorted())
})

const missing = missingServer ?? (findRedisServer() === null ? "no redis-server found" : null)

describe.skipIf(missing !== null)(`the commands of docs/operations.md${missing ? `: ${missing}` : ""}`, () => {
  test("work, in their order, from the first check to a restored backup", async () => {
    const blocks = [...page.matchAll(/^ *```sh\n([^]*?)^ *```$/gm)].map(([, block]) => block!.trim())
    const folder = await mkdtemp(join(tmpdir(), "grizz-operations-"))
    // The package as it is here, in the place of the one that npx would find installed.
    await writeFile(join(folder, "npx"), `#!/bin/sh\n[ "$1" = grizz ] && shift && exec ${program} "$@"\n`)
    await chmod(join(folder, "npx"), 0o755)
    const redis = await RedisServer.start()
    const other = await startPostgresServer()
    // As on Supabase, so that there are policies to restore.
    const server = openServerDatabase(postgresUrl!)
    await server.session((session) => session.script(makeSupabaseRoles))
    await server.close()
    const nodes = await Nodes.create(function* () {
      yield { text: "kept" }
    })
    const port = String(await freePort())
    const env = {
      ...nodes.env,
      PATH: `${folder}:${dirname(process.execPath)}:${process.env["PATH"]}`,
      REDIS_URL: redis.url,
      HOST: "127.0.0.1",
      PORT: port,
      RESTORE_URL: other.url("postgres"),
    }
    let engine: GrizzProcess | null = null
    onTestFinished(async () => {
      engine?.kill("SIGKILL")
      await nodes.close()
      await other.stop()
      await redis.stop()
      await rm(folder, { recursive: true })
    })
    for (const block of blocks.map((text) => text.replaceAll(":8000", `:${port}`))) {
      if (block.includes("grizz serve")) {
        engine = new GrizzProcess({ args: [], cwd: folder, env, command: ["bash", "-euc", block] })
        await engine.until(/all workers serve/)
        const user = nodes.userAt(`http://127.0.0.1:${port}`)
        const body = { id: randomUUID(), content: "Keep it." }
        const path = `/conversations/${await user.today()}/messages`
        expect((await user.request("POST", path, body)).status).toBe(201)
      } else {
        const { code, output } = await run(block, folder, env)
        expect(code, `${block}\n${output}`).toBe(0)
      }
    }
    const restored = openServerDatabase(other.url("postgres"))
    const texts = await sql(restored, "select content from public.messages order by position")
    expect(texts).toEqual([{ content: "Keep it." }, { content: "kept" }])
    await restored.close()
    engine!.kill("SIGTERM")
    expect((await engine!.exited).code).toBe(0)
  }, 90_000)
})

function run(block: string, cwd: string, env: Record<string, string>) {
  return new Promise<{ code: unknown; output: string }>((resolve) => {
    execFile("bash", ["-euc", block], { cwd, env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, output: stdout + stderr })
    })
  })
}

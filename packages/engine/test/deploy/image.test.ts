import { execFile } from "node:child_process"
import { once } from "node:events"
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { copiesOf, type Instruction, readStages, repository } from "./dockerfile.ts"

const stages = readStages()
const [manifests = [], page = [], dependencies = [], runtime = []] = stages

function textOf(stage: Instruction[], name: string): string | undefined {
  return stage.findLast((instruction) => instruction.name === name)?.text
}

interface Outcome {
  code: number
  output: string
}

function run(args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv }): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1
      resolve({ code, output: stdout + stderr })
    })
  })
}

describe("the image", () => {
  test("is built in four stages on the Node.js that the engine asks for", () => {
    expect(stages.map((stage) => stage[0]?.text)).toEqual([
      "node:24-bookworm-slim AS manifests",
      "manifests AS page",
      "manifests AS dependencies",
      "node:24-bookworm-slim",
    ])
  })

  test("installs from the lock file, with the manifest of every workspace", () => {
    const copied = copiesOf(manifests).flatMap(({ sources }) => sources)
    const root: unknown = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"))
    const workspaces = globSync(["packages/*/package.json", "bench/package.json"], { cwd: repository })
    expect(root).toMatchObject({ workspaces: ["packages/*", "bench"] })
    expect(copied.sort()).toEqual(["package.json", "package-lock.json", ...workspaces].sort())
    expect(textOf(page, "RUN")).toBe("npm run build --workspace packages/web")
    expect(textOf(dependencies, "RUN")).toMatch(/^npm ci --omit=dev --omit=optional --workspace packages\/engine$/)
  })

  test("copies nothing that does not exist, or that .dockerignore holds back", () => {
    const kept = readFileSync(join(repository, ".dockerignore"), "utf8")
      .split("\n")
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1))
    const isKept = (source: string): boolean => kept.some((path) => `${source}/`.startsWith(`${path}/`))
    const sources = stages.flatMap(copiesOf).flatMap(({ from, sources }) => (from === undefined ? sources : []))
    expect(sources.filter((source) => !existsSync(join(repository, source)))).toEqual([])
    expect(sources.filter((source) => !isKept(source))).toEqual([])
  })

  test("runs as a user who owns nothing in it, and is stopped by SIGTERM", () => {
    expect(textOf(runtime, "USER")).toBe("node")
    const names = runtime.map(({ name }) => name)
    expect(names.lastIndexOf("COPY")).toBeLessThan(names.indexOf("USER"))
    expect(runtime.some(({ text }) => text.includes("--chown"))).toBe(false)
    expect(textOf(runtime, "STOPSIGNAL")).toBe("SIGTERM")
  })

  test("starts the server without a shell in between, which would swallow the signal", () => {
    expect(JSON.parse(textOf(runtime, "CMD") ?? "")).toEqual(["packages/engine/bin/grizz.js", "serve"])
    expect(textOf(runtime, "ENV")).toBe("NODE_ENV=production PORT=8000")
  })
})

describe("the image's health check", () => {
  const healthCheck: unknown = JSON.parse(textOf(runtime, "HEALTHCHECK")?.replace(/^.*? CMD /, "") ?? "")
  const script = Array.isArray(healthCheck) ? healthCheck.slice(1).map(String) : []

  test.each([
    [200, 0],
    [503, 1],
    [404, 1],
  ])("makes an answer of %i exit code %i", async (status, code) => {
    const paths: (string | undefined)[] = []
    const server = createServer((request, response) => {
      paths.push(request.url)
      response.writeHead(status).end()
    }).listen(0, "127.0.0.1")
    await once(server, "listening")
    const address = server.address()
    const port = typeof address === "object" ? String(address?.port) : ""
    expect(await run(script, { env: { PORT: port } })).toEqual({ code, output: "" })
    expect(paths).toEqual(["/health"])
    server.close()
    server.closeAllConnections()
    expect(await run(script, { env: { PORT: port } })).toEqual({ code: 1, output: "" })
  })
})

describe("what the last stage copies", () => {
  let app = ""
  beforeAll(() => {
    app = mkdtempSync(join(tmpdir(), "grizz-image-"))
    layOut(app)
  })
  afterAll(() => rmSync(app, { recursive: true }))

  test("is all that the program needs to start", async () => {
    const outcome = await run(["packages/engine/bin/grizz.js", "help"], { cwd: app })
    expect(outcome.output).toMatch(/^Usage: grizz/)
    expect(outcome.code).toBe(0)
  })

  test("has the migrations", () => {
    expect(readdirSync(join(app, "packages/engine/migrations"))).toEqual(
      readdirSync(join(repository, "packages/engine/migrations")),
    )
  })
})

/** Does what the COPY lines say. The installed packages are this machine's; the workspaces among them are the copies. */
function layOut(app: string): void {
  for (const { from, sources, target } of copiesOf(runtime)) {
    if (from === "dependencies") installInto(app)
    else if (from === undefined)
      for (const source of sources) cpSync(join(repository, source), join(app, target), { recursive: true })
  }
}

function installInto(app: string): void {
  for (const source of copiesOf(manifests).flatMap(({ sources }) => sources)) {
    mkdirSync(dirname(join(app, source)), { recursive: true })
    cpSync(join(repository, source), join(app, source))
  }
  mkdirSync(join(app, "node_modules/@grizz"), { recursive: true })
  for (const name of readdirSync(join(repository, "node_modules")).filter((name) => name !== "@grizz")) {
    symlinkSync(join(repository, "node_modules", name), join(app, "node_modules", name))
  }
  for (const name of ["client", "engine", "protocol"])
    symlinkSync(`../../packages/${name}`, join(app, "node_modules/@grizz", name))
}

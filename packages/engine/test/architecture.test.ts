import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, test } from "vitest"

const packages = fileURLToPath(new URL("../../", import.meta.url))

/** What each package may import of the others. */
const packageRules: Record<string, readonly string[]> = {
  protocol: [],
  engine: ["@grizz/protocol"],
  client: ["@grizz/protocol", "@grizz/client"],
  web: ["@grizz/client"],
}

/** What each room of the engine may import, beside itself, `core` and the protocol. */
const roomRules: Record<string, readonly string[]> = {
  core: [],
  domain: [],
  ports: ["domain"],
  "live-ports": ["domain"],
  "memory-ports": ["domain"],
  agents: ["ports", "memory-ports", "domain"],
  services: ["agents", "ports", "live-ports", "memory-ports", "domain"],
  db: ["ports", "memory-ports", "domain"],
  live: ["live-ports", "domain"],
  llm: ["ports", "memory-ports", "domain"],
  auth: ["ports", "domain"],
  api: ["services", "ports", "live-ports", "domain"],
  // A program beside the server: it knows the engine as every other client does.
  chat: [],
}
/** These see every room. */
const hallways = new Set(["main", "compose", "background", "doctor", "explain", "shutdown", "worker", "workers"])

const imports = /(?:\bfrom|\bimport)\s*\(?\s*"([^"]+)"/g

function sourcesOf(name: string): { path: string; text: string; imported: string[] }[] {
  const folder = join(packages, name, "src")
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
  return files
    .filter((path) => /\.tsx?$/.test(path) && !/\.test\.tsx?$/.test(path))
    .map((path) => {
      const text = readFileSync(join(folder, path), "utf8")
      return { path, text, imported: [...text.matchAll(imports)].map((match) => match[1]!) }
    })
}

const roomOf = (path: string) => path.split("/")[0]!.replace(/\.ts$/, "")

describe("the house", () => {
  test.each(Object.keys(packageRules))("%s imports only the packages below it", (name) => {
    const sources = sourcesOf(name)
    expect(sources.length).toBeGreaterThan(0)
    const breaches = sources.flatMap(({ path, imported }) =>
      imported
        .filter((target) => target.startsWith("@grizz/"))
        .filter((target) => !(name === "engine" && roomOf(path) === "chat" && target === "@grizz/client"))
        .filter((target) => !packageRules[name]!.includes(target.split("/").slice(0, 2).join("/")))
        .map((target) => `${name}/src/${path} imports ${target}`),
    )
    expect(breaches).toEqual([])
  })

  test.each(Object.keys(packageRules))("%s reaches into no other package's files", (name) => {
    const folder = join(packages, name, "src")
    const breaches = sourcesOf(name).flatMap(({ path, imported }) =>
      imported
        .filter((target) => target.startsWith("."))
        .filter((target) => relative(folder, resolve(folder, dirname(path), target)).startsWith(".."))
        .map((target) => `${name}/src/${path} imports ${target}`),
    )
    expect(breaches).toEqual([])
  })

  test("the rooms of the engine import only what the plan allows", () => {
    const breaches = sourcesOf("engine").flatMap(({ path, imported }) => {
      const room = roomOf(path)
      if (hallways.has(room)) return []
      const allowed = roomRules[room]
      if (allowed === undefined) return [`${path} is in no room of the plan`]
      return imported
        .filter((target) => target.startsWith("."))
        .map((target) => join(dirname(path), target))
        .filter((target) => ![room, "core", ...allowed].includes(roomOf(target)))
        .map((target) => `${path} imports ${target}`)
    })
    expect(breaches).toEqual([])
  })

  test("the server never loads the chat in the terminal", () => {
    const breaches = sourcesOf("engine")
      .filter(({ path }) => roomOf(path) !== "chat")
      .filter(({ imported }) => imported.some((target) => target.includes("/chat/")))
    expect(breaches.map(({ path }) => path)).toEqual([])
  })

  test("services and agents see no network, environment or clock but the injected ones", () => {
    const foreign =
      /\bfetch\(|\bprocess\.|\bnew Date\b|\bDate\.now\b|"node:(?:http|https|net|tls|dns)"|"undici"|"pg"|"ws"/
    const breaches = sourcesOf("engine")
      .filter(({ path }) => ["services", "agents"].includes(roomOf(path)))
      .flatMap(({ path, text }) =>
        text.split("\n").flatMap((line) => (foreign.test(line) ? [`${path}: ${line.trim()}`] : [])),
      )
    expect(breaches).toEqual([])
  })

  test("only db speaks SQL and only api speaks HTTP and sockets", () => {
    const owners: Record<string, string[]> = {
      pg: ["db"],
      "@electric-sql/pglite": ["db"],
      "@electric-sql/pglite-pgvector": ["db"],
      fastify: ["api"],
      ws: ["api"],
      undici: ["llm"],
      jose: ["auth"],
    }
    const breaches = sourcesOf("engine").flatMap(({ path, imported }) =>
      imported
        .filter((target) => owners[target] !== undefined && !owners[target].includes(roomOf(path)))
        .map((target) => `${path} imports ${target}`),
    )
    expect(breaches).toEqual([])
  })

  test("the client bundles types and constants of the protocol, and no schema", () => {
    const breaches = sourcesOf("client").flatMap(({ path, text }) =>
      [...text.matchAll(/import\s+(?!type\b)[^"]*"@grizz\/protocol"/g)].map((match) => `${path}: ${match[0]}`),
    )
    expect(breaches).toEqual([])
  })
})

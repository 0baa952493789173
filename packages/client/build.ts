// Builds dist/: ES modules with the protocol's constants bundled in, and types that need no other package. Fails when the
// SDK has grown beyond what it promises to weigh.
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { gzipSync } from "node:zlib"
import { build } from "vite"
import { protocolDeclarations } from "./protocol-types.ts"

const root = import.meta.dirname
const dist = join(root, "dist")
const indexMaxBytes = 8 * 1024
const entries = ["index", "react", "timeline"]

await build({
  root,
  configFile: false,
  logLevel: "warn",
  build: {
    target: "es2023",
    emptyOutDir: true,
    lib: {
      entry: Object.fromEntries(entries.map((name) => [name, join(root, `src/${name}.ts`)])),
      formats: ["es"],
      fileName: (_, name) => `${name}.js`,
    },
    rolldownOptions: {
      external: ["react"],
      // What is loaded only when it is needed shares the code of the index, rather than cutting it in two.
      preserveEntrySignatures: "allow-extension",
      output: { minify: true, comments: false },
    },
  },
})

const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"))
execFileSync(process.execPath, [join(typescript, "bin/tsc"), "-p", join(root, "tsconfig.build.json")], {
  stdio: "inherit",
})
writeFileSync(join(dist, "protocol.d.ts"), protocolDeclarations())
const published = new Set(entries.flatMap((name) => settleDeclarations(name)))
for (const name of readdirSync(dist)) {
  if (name.endsWith(".d.ts") && !published.has(name)) rmSync(join(dist, name))
}

const bytes = gzippedBytes("index.js")
console.log(`@grizz/client: dist/index.js weighs ${bytes} bytes gzipped (at most ${indexMaxBytes})`)
if (bytes > indexMaxBytes) process.exitCode = 1

/** A module with what it imports from the start; what it imports later is not counted. */
function gzippedBytes(name: string): number {
  const code = readFileSync(join(dist, name))
  const shared = [...code.toString().matchAll(/from\s*["']\.\/([^"']+)["']/g)].map((match) => match[1] ?? "")
  return gzipSync(code).length + shared.reduce((sum, chunk) => sum + gzippedBytes(chunk), 0)
}

/** Lets the declarations of a module, and of all that it imports, name files of this package. Gives back their names. */
function settleDeclarations(module: string, settled: string[] = []): string[] {
  const name = `${module}.d.ts`
  if (settled.includes(name)) return settled
  settled.push(name)
  const path = join(dist, name)
  const text = readFileSync(path, "utf8")
    .replaceAll(/"@grizz\/protocol(?:\/constants)?"/g, '"./protocol.js"')
    .replaceAll(/"(\.\/[\w-]+)\.ts"/g, '"$1.js"')
  writeFileSync(path, text)
  for (const [, next = ""] of text.matchAll(/"\.\/([\w-]+)\.js"/g)) settleDeclarations(next, settled)
  return settled
}

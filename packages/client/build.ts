// Builds dist/: two ES modules, with the protocol's constants bundled in, and their types. Fails when the SDK has
// grown beyond what it promises to weigh.
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { gzipSync } from "node:zlib"
import { build } from "vite"

const root = import.meta.dirname
const indexMaxBytes = 8 * 1024

await build({
  root,
  configFile: false,
  logLevel: "warn",
  build: {
    target: "es2023",
    emptyOutDir: true,
    lib: {
      entry: {
        index: join(root, "src/index.ts"),
        react: join(root, "src/react.ts"),
        timeline: join(root, "src/timeline.ts"),
      },
      formats: ["es"],
      fileName: (_, name) => `${name}.js`,
    },
    rolldownOptions: { external: ["react"], preserveEntrySignatures: "allow-extension", output: { minify: true } },
  },
})

const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"))
execFileSync(process.execPath, [join(typescript, "bin/tsc"), "-p", join(root, "tsconfig.build.json")], {
  stdio: "inherit",
})

const bytes = gzippedBytes("index.js")
console.log(`@grizz/client: dist/index.js weighs ${bytes} bytes gzipped (at most ${indexMaxBytes})`)
if (bytes > indexMaxBytes) process.exitCode = 1

/** A module with the chunks that it shares with others. */
function gzippedBytes(name: string): number {
  const code = readFileSync(join(root, "dist", name))
  const shared = [...code.toString().matchAll(/from\s*["']\.\/([^"']+)["']/g)].map((match) => match[1] ?? "")
  return gzipSync(code).length + shared.reduce((sum, chunk) => sum + gzippedBytes(chunk), 0)
}

// Builds dist/: the compiled engine, and in dist/page the chat page that it serves where there is no repository around it.
import { execFileSync } from "node:child_process"
import { cpSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

const root = import.meta.dirname
const dist = join(root, "dist")
const web = join(root, "../web")
const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"))

rmSync(dist, { recursive: true, force: true })
run(join(typescript, "bin/tsc"), "-p", join(root, "tsconfig.build.json"))
run(join(web, "build.ts"), "--if-needed")
cpSync(join(web, "dist"), join(dist, "page"), { recursive: true })

function run(program: string, ...args: string[]): void {
  execFileSync(process.execPath, [program, ...args], { stdio: "inherit" })
}

// Turns the exports of the package in the current folder to what is published (dist, made by the build) or back to what the
// workspace uses (src, with no build at all). npm runs it around `npm pack`: nobody else has to mind the difference.
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const path = join(process.cwd(), "package.json")
const entry = /^\.\/(?:src|dist)\/([\w-]+)\./

const form = process.argv[2]
if (form !== "published" && form !== "source") throw new Error("Say `published` or `source`.")
const manifest: { exports: Record<string, { types: string; default: string }> } = JSON.parse(readFileSync(path, "utf8"))
for (const [name, target] of Object.entries(manifest.exports)) {
  const stem = entry.exec(target.default)?.[1]
  if (stem === undefined) throw new Error(`${name} is exported from an unknown place: ${target.default}`)
  manifest.exports[name] =
    form === "published"
      ? { types: `./dist/${stem}.d.ts`, default: `./dist/${stem}.js` }
      : { types: `./src/${stem}.ts`, default: `./src/${stem}.ts` }
}
writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`)

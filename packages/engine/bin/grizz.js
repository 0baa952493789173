#!/usr/bin/env -S node --max-semi-space-size=16
// What a storm of connects leaves behind is collected young; without the flag V8 keeps 128 MB of room for the next one.
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { bundledNode, endWithLauncher, isNewEnough, runOn } from "./bundled-node.js"

const args = process.argv.slice(2)
const node = isNewEnough() ? null : bundledNode()
if (node === null) await run()
else runOn(node, fileURLToPath(import.meta.url), args)

async function run() {
  await import("./check-node.js")
  endWithLauncher()
  // In the repository the sources run as they are; a published package has only what was built from them.
  const source = new URL("../src/main.ts", import.meta.url)
  const { main } = await import(existsSync(source) ? source.href : new URL("../dist/main.js", import.meta.url).href)
  await main(args, process.env)
}

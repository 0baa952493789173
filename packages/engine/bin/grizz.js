#!/usr/bin/env -S node --max-semi-space-size=16
// What a storm of connects leaves behind is collected young; without the flag V8 keeps 128 MB of room for the next one.
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { bundledNode, endWithLauncher, isNewEnough, runOn } from "./bundled-node.js"
import { endWithShell } from "./npx-shell.js"

const args = process.argv.slice(2)
endWithShell()
const node = isNewEnough() ? null : bundledNode()
if (node === null) await run()
else runOn(node, fileURLToPath(import.meta.url), args)

async function run() {
  endWithLauncher()
  // In the repository the sources run as they are; a published package has only what was built from them.
  const isBuilt = !existsSync(new URL("../src/main.ts", import.meta.url))
  const load = (name) => import(new URL(isBuilt ? `../dist/${name}.js` : `../src/${name}.ts`, import.meta.url).href)
  const isChat = args[0] === "chat"
  // The chat is the SDK's, and runs wherever that does once it is built.
  if (!isChat || !isBuilt) await import("./check-node.js")
  if (isChat) await (await load("chat/chat")).chat(args.slice(1), process.env)
  else await (await load("main")).main(args, process.env)
}

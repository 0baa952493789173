#!/usr/bin/env node
import "./check-node.js"
import { existsSync } from "node:fs"

// In the repository the sources run as they are; a published package has only what was built from them.
const source = new URL("../src/main.ts", import.meta.url)
const { main } = await import(existsSync(source) ? source.href : new URL("../dist/main.js", import.meta.url).href)
await main(process.argv.slice(2), process.env)

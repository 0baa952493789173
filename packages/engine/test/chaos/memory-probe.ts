// Preloaded into a node under test: on SIGUSR2 it collects garbage and prints what the process then holds.

// The engine loads this large table when a prompt is long for the first time; here every process has it from the start,
// so that two of them can be compared.
import "gpt-tokenizer/encoding/o200k_base"
import { readdirSync } from "node:fs"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

process.on("SIGUSR2", () => {
  setFlagsFromString("--expose-gc")
  const collect = runInNewContext("gc") as () => void
  collect()
  collect()
  const { rss, heapUsed, external } = process.memoryUsage()
  const descriptors = readdirSync("/proc/self/fd").length
  process.stdout.write(`${JSON.stringify({ probe: { rss, heap: heapUsed + external, descriptors } })}\n`)
})

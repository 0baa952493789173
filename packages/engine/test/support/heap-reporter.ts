// Preloaded into an engine (with --expose-gc) that is started with a channel: says what it holds when it is asked.
const collect = globalThis.gc

process.on("message", (message) => {
  if (message !== "collect") return
  collect?.()
  collect?.()
  const { heapUsed, external } = process.memoryUsage()
  process.send?.(heapUsed + external)
})
process.channel?.unref()

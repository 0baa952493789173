// Preloaded into every server (with --expose-gc): collects garbage when asked to, says what it then holds, and ends with
// who started it.
export interface Held {
  /** Bytes of objects and buffers that are in use, without what the runtime keeps in reserve for later ones. */
  liveBytes: number
}

const collect = globalThis.gc

process.on("message", (message) => {
  if (message !== "collect") return
  collect?.()
  collect?.()
  const { heapUsed, external } = process.memoryUsage()
  process.send?.({ liveBytes: heapUsed + external } satisfies Held)
})
process.once("disconnect", () => process.exit())
// Listening to it must not keep a server alive that has closed everything else.
process.channel?.unref()

// Preloaded into a server whose memory is measured (with --expose-gc): collects garbage when asked to, and says so.
process.on("message", (message) => {
  if (message !== "collect") return
  globalThis.gc?.()
  globalThis.gc?.()
  process.send?.("collected")
})

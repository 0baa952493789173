// Plain JavaScript that even an old Node.js can read: for a command that was started as `npx grizz …`.

/** How often it is looked whether the shell is still there, in ms. */
const lookEveryMs = 1000

/**
 * npx starts a command through a shell and passes signals on to that alone; some, as Debian's, die of it without a word to
 * the command, which would stay behind with its port. That the shell is gone is therefore the signal.
 */
export function endWithShell() {
  const { npm_lifecycle_event: event, npm_lifecycle_script: script } = process.env
  if (event !== "npx" || !/^["']?grizz\b/.test(script ?? "")) return
  const shell = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === shell) return
    clearInterval(timer)
    process.kill(process.pid, "SIGTERM")
  }, lookEveryMs)
  timer.unref()
}

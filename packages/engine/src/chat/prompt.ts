import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from "node:readline"
import { Writable } from "node:stream"
import type { WriteStream } from "node:tty"

/**
 * The line that is typed, below everything else of a terminal: it is not there while something is written over its
 * place, and comes back with what was typed before and meanwhile.
 */
export class Prompt {
  readonly #terminal: QuietTerminal
  readonly #lines: Interface
  #isClosed = false

  /** `onLine` is also told whether the line is seen on the terminal, or was typed while that was quiet. */
  constructor(terminal: WriteStream, onLine: (line: string, isSeen: boolean) => void) {
    this.#terminal = new QuietTerminal(terminal)
    this.#lines = createInterface({ input: process.stdin, output: this.#terminal, terminal: true, prompt: "› " })
    this.#lines.on("line", (line) => {
      const isSeen = !this.#terminal.isQuiet
      // It stays above, where it was typed.
      this.#terminal.isQuiet = true
      onLine(line, isSeen)
    })
    this.#lines.on("close", () => (this.#isClosed = true))
  }

  on(event: "SIGINT" | "close", listener: () => void): void {
    this.#lines.on(event, listener)
  }

  show(): void {
    if (this.#isClosed || !this.#terminal.isQuiet) return
    // Goes up by the rows that the last one left the cursor at, to erase it: unseen, so that these are the rows of now.
    this.#lines.prompt(true)
    this.#terminal.isQuiet = false
    this.#terminal.write("\n".repeat(this.#lines.getCursorPos().rows))
    this.#lines.prompt(true)
  }

  /** True when it was shown. */
  hide(): boolean {
    if (this.#terminal.isQuiet) return false
    moveCursor(this.#terminal, 0, -this.#lines.getCursorPos().rows)
    cursorTo(this.#terminal, 0)
    clearScreenDown(this.#terminal)
    this.#terminal.isQuiet = true
    return true
  }

  close(): void {
    this.hide()
    this.#lines.close()
  }
}

/** A terminal that shows nothing while it is quiet; readline still takes the keys. */
class QuietTerminal extends Writable {
  readonly #terminal: WriteStream
  isQuiet = true
  readonly isTTY = true

  constructor(terminal: WriteStream) {
    super()
    this.#terminal = terminal
  }

  get columns(): number {
    return this.#terminal.columns
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (!this.isQuiet) this.#terminal.write(chunk)
    done()
  }
}

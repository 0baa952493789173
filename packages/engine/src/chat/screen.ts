import { Writable } from "node:stream"
import type { WriteStream } from "node:tty"
import type { Page } from "./transcript.ts"

/** Answers on standard output, notices on standard error; in a terminal both, never in the middle of a line. */
export class Screen implements Page {
  #isLineBegun = false

  text(text: string): void {
    if (text === "") return
    process.stdout.write(text)
    if (process.stdout.isTTY) this.#isLineBegun = !text.endsWith("\n")
  }

  notice(line: string): void {
    const isColoured = process.stderr.isTTY && process.env["NO_COLOR"] === undefined
    const begin = this.#isLineBegun && process.stderr.isTTY ? "\n" : ""
    this.#isLineBegun = false
    process.stderr.write(isColoured ? `${begin}\u001b[2m${line}\u001b[0m\n` : `${begin}${line}\n`)
  }
}

/** A terminal that shows nothing of what is typed while an answer is written over it; the keys are not lost. */
export class QuietTerminal extends Writable {
  readonly #terminal: WriteStream
  isQuiet = false
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

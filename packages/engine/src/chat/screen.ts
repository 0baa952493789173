import type { Prompt } from "./prompt.ts"
import type { Page } from "./transcript.ts"

/** Answers on standard output, notices on standard error; in a terminal both, never in a line that was begun. */
export class Screen implements Page {
  /** Set where there is one to keep clear of. */
  prompt: Prompt | null = null
  #isLineBegun = false

  text(text: string): void {
    if (text === "") return
    this.prompt?.hide()
    process.stdout.write(text)
    if (process.stdout.isTTY) this.#isLineBegun = !text.endsWith("\n")
  }

  notice(line: string): void {
    const isColoured = process.stderr.isTTY && process.env["NO_COLOR"] === undefined
    const begin = this.#isLineBegun && process.stderr.isTTY ? "\n" : ""
    this.#isLineBegun = false
    const isPrompted = this.prompt?.hide() === true
    process.stderr.write(isColoured ? `${begin}\u001b[2m${line}\u001b[0m\n` : `${begin}${line}\n`)
    if (isPrompted) this.prompt?.show()
  }

  /** Leaves the place to whoever writes next. */
  end(): void {
    if (this.#isLineBegun) process.stdout.write("\n")
  }
}

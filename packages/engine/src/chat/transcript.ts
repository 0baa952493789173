import type { ConversationState } from "@grizz/client"
import { terminalText } from "../core/terminal-text.ts"

export interface Page {
  /** Part of an answer. */
  text(text: string): void
  /** A line of the program's own. */
  notice(line: string): void
}

export interface TranscriptOptions {
  page: Page
  /** Answers are written as they come, and not once they are whole: what a file has cannot begin anew. */
  streams: boolean
  /** How many of the messages that were there before are shown. */
  earlierMax: number
}

/** Writes what changes in a conversation down a page, each thing once. */
export class Transcript {
  readonly #options: TranscriptOptions
  /** Ids of messages that are on the page, or that the user typed there. */
  readonly #shown = new Set<string>()
  readonly #refused = new Set<string>()
  #answer = { id: "", text: "" }
  #status: ConversationState["connection"]["status"] = "connecting"
  #hasBegun = false

  constructor(options: TranscriptOptions) {
    this.#options = options
  }

  /** A message that stands on the page, because it was typed there. */
  typed(id: string): void {
    this.#shown.add(id)
  }

  /** What is shown from now on is of the conversation that follows. */
  nextDay(): void {
    this.#options.page.notice("a new day has begun")
    this.#hasBegun = false
    this.#status = "connecting"
  }

  show(state: ConversationState): void {
    this.#showConnection(state)
    if (state.conversation === null) return
    if (!this.#hasBegun) this.#begin(state)
    this.#showMessages(state)
    if (state.reply !== null) this.#write(state.reply.id, state.reply.text)
    this.#showRefusals(state)
  }

  #begin({ conversation, messages }: ConversationState): void {
    const { page, earlierMax } = this.#options
    this.#hasBegun = true
    if (earlierMax > 0) page.notice(conversation?.conv_day ?? conversation?.title ?? "Conversation")
    const before = messages.slice(0, Math.max(0, messages.length - earlierMax))
    for (const { id } of before) this.#shown.add(id)
  }

  #showConnection({ connection: { status }, reply, pending }: ConversationState): void {
    if (status === this.#status) return
    const { page } = this.#options
    const isAway = status === "reconnecting" || status === "offline"
    const wasAway = this.#status === "reconnecting" || this.#status === "offline"
    if (isAway && !wasAway) {
      page.notice(
        pending.length === 0 ? "connection lost; trying again" : "no connection; what you said waits, and will be sent",
      )
    } else if (status === "open" && wasAway) {
      page.notice(reply === null ? "connected again" : "connected again; the answer goes on")
    }
    this.#status = status
  }

  #showMessages(state: ConversationState): void {
    for (const message of state.messages) {
      if (this.#shown.has(message.id)) continue
      if (message.role === "user") {
        // Not into the middle of an answer; it comes below that.
        if (this.#answer.text !== "") continue
        this.#options.page.notice(`you: ${terminalText(message.content)}`)
      } else this.#end(message, state.replyErrors[message.id]?.message)
      this.#shown.add(message.id)
    }
  }

  #end({ id, content, status }: ConversationState["messages"][number], reason: string | undefined): void {
    const { page } = this.#options
    this.#continue(id, content)
    if (this.#answer.text !== "") page.text("\n")
    this.#answer = { id: "", text: "" }
    if (status === "failed") {
      const why = reason === undefined ? "" : `: ${terminalText(reason)}`
      page.notice(`the answer failed${why} (/retry asks again)`)
    } else if (status !== "completed") page.notice("stopped")
  }

  #write(id: string, text: string): void {
    if (this.#options.streams) this.#continue(id, text)
  }

  #continue(id: string, text: string): void {
    const { page } = this.#options
    const written = this.#answer.id === id ? this.#answer.text : ""
    // A new attempt, which says the same so far: what it adds will be written.
    if (written !== text && written.startsWith(text)) return
    if (!text.startsWith(written)) {
      page.text("\n")
      page.notice("the answer begins anew")
      page.text(terminalText(text))
    } else page.text(terminalText(text.slice(written.length)))
    this.#answer = { id, text }
  }

  #showRefusals({ pending, retry }: ConversationState): void {
    const { page } = this.#options
    for (const { id, error } of pending) {
      if (error === null || this.#refused.has(id)) continue
      this.#refused.add(id)
      page.notice(`not sent: ${terminalText(error.message)}`)
    }
    if (retry !== null && retry.error !== null && !this.#refused.has(retry.replyId)) {
      this.#refused.add(retry.replyId)
      page.notice(`not asked again: ${terminalText(retry.error.message)}`)
    }
  }
}

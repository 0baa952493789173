import type { Conversation, ConversationState } from "@grizz/client"
import { chatUsage } from "./chat-options.ts"
import type { Page, Transcript } from "./transcript.ts"

/** What a line or an interrupt asks for, in a conversation, and after midnight in the new day's. */
export class Dialogue {
  readonly #open: () => Conversation
  readonly #transcript: Transcript
  readonly #page: Page
  #conversation: Conversation
  #unsubscribe = () => {}
  #listener = () => {}
  #isLeaving = false
  #resolve: () => void = () => {}
  /** When everything is said and the user wants to leave, or does not want to wait for it. */
  readonly left = new Promise<void>((resolve) => {
    this.#resolve = resolve
  })

  /** `open` gives the conversation to begin in, and the one to go on in when that one's day is over. */
  constructor(open: () => Conversation, transcript: Transcript, page: Page) {
    this.#open = open
    this.#transcript = transcript
    this.#page = page
    this.#conversation = open()
    this.#follow()
  }

  /** Calls `listener` after every change of the conversation, and not the one given before. */
  listen(listener: () => void): void {
    this.#listener = listener
  }

  /** The one that is spoken in now. */
  get conversation(): Conversation {
    return this.#conversation
  }

  /**
   * Gives back the id of the message, when the line is one. `isSeen`: it need not be shown once it is answered.
   * @throws GrizzError when it cannot be sent
   */
  say(line: string, isSeen: boolean): string | null {
    const command = /^\/(\w+)\s*$/.exec(line)?.[1]
    if (command !== undefined) {
      this.#run(command)
      return null
    }
    const text = line.startsWith("//") ? line.slice(1) : line
    if (text.trim() === "") return null
    const { id } = this.#conversation.send(text)
    if (isSeen) this.#transcript.typed(id)
    const { status } = this.#conversation.state.connection
    if (status === "reconnecting" || status === "offline")
      this.#page.notice("no connection: it waits, and will be sent")
    return id
  }

  /** Stops what is being answered; the second time, and where nothing is, leaves. */
  interrupt(): void {
    const { reply, queued, stopping } = this.#conversation.state
    const running = reply?.id ?? queued[0]?.reply_id
    if (running === undefined || stopping.includes(running) || this.#isLeaving) this.leave()
    else this.#conversation.stop()
  }

  /** Waits for what is not acknowledged; the second time for nothing. */
  leave(): void {
    const waiting = unsent(this.#conversation.state)
    if (waiting.length === 0 || this.#isLeaving) {
      for (const { content } of waiting) this.#page.notice(`never sent: ${content}`)
      this.#resolve()
    } else {
      this.#isLeaving = true
      this.#page.notice(`${waiting.length} not sent yet: waiting for the engine (Ctrl-C leaves without)`)
    }
  }

  #run(command: string): void {
    if (command === "quit") this.leave()
    else if (command === "stop") this.#conversation.stop()
    else if (command === "retry") this.#conversation.retry()
    else this.#page.notice(command === "help" ? chatUsage : `There is no /${command}; /help says what there is.`)
  }

  #follow(): void {
    this.#unsubscribe = this.#conversation.subscribe(() => this.#changed())
  }

  #changed(): void {
    const { state } = this.#conversation
    this.#transcript.show(state)
    const isLeft = this.#isLeaving && unsent(state).length === 0
    if (isLeft || state.connection.status === "closed") this.#resolve()
    else if (state.dayOver && isQuiet(state) && !this.#isLeaving) this.#moveOn()
    this.#listener()
  }

  #moveOn(): void {
    const ended = this.#conversation
    this.#unsubscribe()
    this.#transcript.nextDay()
    this.#conversation = this.#open()
    this.#follow()
    ended.close()
  }
}

function unsent({ pending }: ConversationState) {
  return pending.filter(({ status }) => status === "sending")
}

/** Nothing is being answered, sent or asked again. */
export function isQuiet(state: ConversationState): boolean {
  const isAsking = state.retry !== null && state.retry.error === null
  return state.reply === null && state.queued.length === 0 && unsent(state).length === 0 && !isAsking
}

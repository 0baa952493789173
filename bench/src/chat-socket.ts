import { once } from "node:events"
import { WebSocket } from "ws"
import { monotonicMs } from "./monotonic.ts"
import type { Question } from "./question.ts"
import type { Wire } from "./wires.ts"

/** One turn as the client saw it; monotonic milliseconds. */
export interface Answer {
  question: Question
  askedMs: number
  /** When each token of the answer was there. */
  tokensMs: Float64Array
}

interface Turn {
  question: Question
  expected: string
  askedMs: number
  text: string
  tokensMs: Float64Array
  /** Tokens that are there, and the length of the text up to the next one's end. */
  tokens: number
  nextEnd: number
  done: PromiseWithResolvers<Answer>
}

/** One client: a socket on which it asks one question at a time, and checks every answer to the last character. */
export class ChatSocket {
  readonly #socket: WebSocket
  readonly #wire: Wire
  readonly #ready = Promise.withResolvers<void>()
  #turn: Turn | null = null
  #isClosing = false

  private constructor(url: string, wire: Wire) {
    this.#wire = wire
    this.#socket = new WebSocket(url, wire.subprotocols, { perMessageDeflate: false })
    this.#socket.on("open", () => {
      if (!wire.hasGreeting) this.#ready.resolve()
    })
    this.#socket.on("message", (data: Buffer) => this.#read(data.toString()))
    this.#socket.on("error", (error) => this.#fail(error))
    this.#socket.on("close", (code, reason) => {
      if (!this.#isClosing) this.#fail(new Error(`the server closed a socket: ${code} ${reason.toString()}`))
    })
  }

  /** Resolves when the server is ready to be asked. */
  static async open(url: string, wire: Wire): Promise<ChatSocket> {
    const socket = new ChatSocket(url, wire)
    await socket.#ready.promise
    return socket
  }

  /** @throws Error when the answer is not exactly the model's, or the server failed */
  ask(question: Question): Promise<Answer> {
    const { tokens } = question
    this.#turn = {
      question,
      expected: tokens.join(""),
      askedMs: monotonicMs(),
      text: "",
      tokensMs: new Float64Array(tokens.length),
      tokens: 0,
      nextEnd: tokens[0]!.length,
      done: Promise.withResolvers(),
    }
    this.#socket.send(this.#wire.encode(question.text))
    return this.#turn.done.promise
  }

  async close(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return
    this.#isClosing = true
    const closed = once(this.#socket, "close")
    this.#socket.close()
    await closed
  }

  #read(frame: string): void {
    try {
      const heard = this.#wire.read(frame)
      if (heard.kind === "ready") this.#ready.resolve()
      else if (heard.kind === "text") this.#add(heard.text)
      else if (heard.kind === "end") this.#end(heard.stored)
    } catch (error) {
      this.#fail(error)
    }
  }

  #add(text: string): void {
    const turn = this.#turn
    if (turn === null) throw new Error("the server sent text that nobody asked for")
    turn.text += text
    const nowMs = monotonicMs()
    const { tokens } = turn.question
    while (turn.tokens < tokens.length && turn.text.length >= turn.nextEnd) {
      turn.tokensMs[turn.tokens++] = nowMs
      turn.nextEnd += tokens[turn.tokens]?.length ?? 0
    }
  }

  #end(stored: string | null): void {
    const turn = this.#turn
    if (turn === null) throw new Error("the server ended an answer that nobody asked for")
    const { question, expected, askedMs, tokensMs, done } = turn
    if (turn.text !== expected) throw new Error(`wrong text in the answer to "${question.text}"`)
    if (stored !== null && stored !== expected) throw new Error(`wrong text was stored for "${question.text}"`)
    this.#turn = null
    done.resolve({ question, askedMs, tokensMs })
  }

  #fail(error: unknown): void {
    this.#ready.reject(error)
    this.#turn?.done.reject(error)
  }
}

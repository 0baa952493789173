import { once } from "node:events"
import { WebSocket } from "ws"
import { monotonicMs } from "../machine/monotonic.ts"
import type { Question } from "../model/question.ts"
import type { Greeting, Wire } from "./wires.ts"

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

export interface SocketOptions {
  /** A question that was asked elsewhere, whose answer comes by itself: `expectedAnswer`. */
  expected?: Question
}

/** One client: a socket on which it asks one question at a time, and checks every answer to the last character. */
export class ChatSocket {
  readonly #socket: WebSocket
  readonly #wire: Wire
  readonly #ready = Promise.withResolvers<void>()
  #greeting: Greeting | null = null
  #turn: Turn | null = null
  #isClosing = false
  #failure: unknown = null
  readonly #expected: Promise<Answer> | null

  private constructor(url: string, wire: Wire, { expected }: SocketOptions) {
    this.#wire = wire
    this.#expected = expected === undefined ? null : this.expect(expected)
    // It may fail before anyone waits for it.
    this.#expected?.catch(() => undefined)
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
  static async open(url: string, wire: Wire, options: SocketOptions = {}): Promise<ChatSocket> {
    const socket = new ChatSocket(url, wire, options)
    await socket.#ready.promise
    return socket
  }

  /** @throws Error for a server that says nothing first */
  get greeting(): Greeting {
    if (this.#greeting === null) throw new Error("the server greets nobody")
    return this.#greeting
  }

  /** The answer to the question that was asked elsewhere. @throws Error without one */
  get expectedAnswer(): Promise<Answer> {
    if (this.#expected === null) throw new Error("nothing was expected of this socket")
    return this.#expected
  }

  /** @throws Error when the answer is not exactly the model's, or the server failed */
  ask(question: Question): Promise<Answer> {
    const answer = this.expect(question)
    this.#socket.send(this.#wire.encode(question.text))
    return answer
  }

  /** The same for a question that somebody else asks. */
  expect(question: Question): Promise<Answer> {
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
    return this.#turn.done.promise
  }

  /** Reads nothing more until `resume`. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** @throws Error when the server has closed it, or failed */
  requireOpen(): void {
    if (this.#failure !== null) throw this.#failure
    if (this.#socket.readyState !== WebSocket.OPEN) throw new Error("a socket is closed")
  }

  async close(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return
    this.#isClosing = true
    const closed = once(this.#socket, "close")
    this.#socket.close()
    await closed
  }

  /** Cuts the connection, as a network does. */
  async cut(): Promise<void> {
    this.#isClosing = true
    const closed = once(this.#socket, "close")
    this.#socket.terminate()
    await closed
  }

  #read(frame: string): void {
    try {
      const isGreeting = this.#wire.hasGreeting && this.#greeting === null
      const heard = this.#wire.read(frame, isGreeting)
      if (heard.kind === "ready") {
        this.#greeting = heard.greeting
        this.#ready.resolve()
      } else if (heard.kind === "text") this.#add(heard.text)
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
    this.#failure ??= error
    this.#ready.reject(error)
    this.#turn?.done.reject(error)
  }
}

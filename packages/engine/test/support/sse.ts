import { type ServerFrame, serverFrame } from "@grizz/protocol"

type FrameOf<Type extends ServerFrame["type"]> = Extract<ServerFrame, { type: Type }>

export interface SseRequest {
  method?: string
  token?: string
  headers?: Record<string, string>
  body?: unknown
}

/** A reader of server-sent events that keeps every one, and waits for one. Every frame is checked against the protocol. */
export class SseStream {
  readonly response: Response
  /** In order; `id` is null where the event had none. */
  readonly events: { id: string | null; frame: ServerFrame }[] = []
  /** How many comments came. */
  comments = 0
  /** Lines that were neither data, nor an id, nor a comment. */
  readonly otherLines: string[] = []
  /** Resolves when the answer is over: true when the server ended it properly. */
  readonly ended: Promise<boolean>
  readonly #abort: AbortController
  #next = 0
  #isOver = false
  #wake = Promise.withResolvers<void>()

  private constructor(response: Response, abort: AbortController) {
    this.response = response
    this.#abort = abort
    this.ended = this.#readToEnd()
  }

  /** Resolves with the head of the answer, before there is any event. */
  static async open(url: string, { method = "GET", token, headers, body }: SseRequest = {}): Promise<SseStream> {
    const abort = new AbortController()
    const all: Record<string, string> = { accept: "text/event-stream", ...headers }
    if (token !== undefined) all["authorization"] = `Bearer ${token}`
    if (body !== undefined) all["content-type"] = "application/json"
    const content = body === undefined ? {} : { body: JSON.stringify(body) }
    const response = await fetch(url, { method, headers: all, signal: abort.signal, ...content })
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
    return new SseStream(response, abort)
  }

  get frames(): ServerFrame[] {
    return this.events.map(({ frame }) => frame)
  }

  /** The next frame of this type; those before it are passed over. */
  async next<Type extends ServerFrame["type"]>(type: Type): Promise<FrameOf<Type>> {
    for (;;) {
      while (this.#next < this.events.length) {
        const { frame } = this.events[this.#next++]!
        if (frame.type === type) return frame as FrameOf<Type>
      }
      if (this.#isOver) throw new Error(`over; frames so far: ${JSON.stringify(this.frames)}`)
      await this.#wake.promise
      this.#wake = Promise.withResolvers()
    }
  }

  /** Waits until so many comments have come. */
  async commented(times: number): Promise<void> {
    while (this.comments < times) {
      if (this.#isOver) throw new Error("over")
      await this.#wake.promise
      this.#wake = Promise.withResolvers()
    }
  }

  /** Hangs up. */
  cut(): void {
    this.#abort.abort()
  }

  async #readToEnd(): Promise<boolean> {
    try {
      await this.#read()
      return true
    } catch {
      // The connection was cut, by either side.
      return false
    } finally {
      this.#isOver = true
      this.#wake.resolve()
    }
  }

  async #read(): Promise<void> {
    let rest = ""
    const decoder = new TextDecoder()
    for await (const chunk of this.response.body!) {
      rest += decoder.decode(chunk, { stream: true })
      const blocks = rest.split("\n\n")
      rest = blocks.pop()!
      for (const block of blocks) this.#take(block.split("\n"))
      this.#wake.resolve()
    }
  }

  #take(lines: string[]): void {
    const values = (field: string) =>
      lines.filter((line) => line.startsWith(`${field}: `)).map((line) => line.slice(field.length + 2))
    this.otherLines.push(...lines.filter((line) => !/^(?:data: |id: |:)/.test(line)))
    this.comments += lines.filter((line) => line.startsWith(":")).length
    const data = values("data")
    if (data.length === 0) return
    this.events.push({ id: values("id")[0] ?? null, frame: serverFrame.parse(JSON.parse(data.join("\n"))) })
  }
}

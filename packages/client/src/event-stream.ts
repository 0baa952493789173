/** The `data` of each server-sent event of an answer; null for what only shows that the connection lives. */
export async function* eventsOf(response: Response): AsyncGenerator<string | null> {
  let rest = ""
  for await (const text of textOf(response)) {
    yield null
    const lines = (rest + text).split("\n")
    rest = lines.pop() ?? ""
    // The engine writes every event's data in one line.
    for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim()
  }
}

async function* textOf(response: Response): AsyncGenerator<string> {
  const body: ReadableStream<Uint8Array> | null | undefined = response.body
  if (body === null || body === undefined) {
    // A platform that cannot stream answers gives them whole.
    yield response.text()
    return
  }
  const reader = body.getReader()
  const decoder = new TextDecoder()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield decoder.decode(value, { stream: true })
    }
  } finally {
    reader.cancel().catch(() => undefined)
  }
}

import { eventsOf } from "./event-stream.ts"
import type { HttpEngine, RequestOptions } from "./http.ts"
import { parseFrame } from "./link.ts"
import type { NewMessage, StoredMessage } from "./rest-calls.ts"

/**
 * Says something over HTTP and waits until it is stored. Null: the answer ended before it said so.
 * @throws GrizzError; the reason of the signal when that is aborted
 */
export async function say(
  http: HttpEngine,
  conversationId: string,
  body: NewMessage,
  { signal }: RequestOptions = {},
): Promise<StoredMessage | null> {
  const call = { id: conversationId, body, accept: "text/event-stream", signal } as const
  const response = await http.open("POST /conversations/{id}/messages", call)
  // The reply goes on without us when the answer is let go after its first event.
  for await (const data of eventsOf(response)) {
    const frame = data === null ? null : parseFrame(data)
    if (frame?.type === "message.added") return { message: frame.message, replyId: frame.reply_id }
  }
  return null
}

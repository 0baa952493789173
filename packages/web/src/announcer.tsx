import type { MessageResource } from "@grizz/client"
import type { ConversationOutline } from "@grizz/client/react"
import { useEffect, useRef } from "react"
import { plainText } from "./plain-text.ts"
import { texts } from "./texts.ts"

/**
 * Tells a screen reader that a reply has begun and, once and whole, what it said. The transcript itself is no live
 * region, because it would be read anew with every token.
 */
export function Announcer({ state }: { state: ConversationOutline }) {
  const region = useRef<HTMLDivElement>(null)
  const watched = useRef<string | null>(null)
  const runningId = state.reply?.id ?? null
  useEffect(() => {
    const say = (words: string) => {
      if (region.current !== null && region.current.textContent !== words) region.current.textContent = words
    }
    if (runningId !== null) {
      watched.current = runningId
      say(texts.reply.writing)
    }
    const ended = runningId === null && state.messages.find((message) => message.id === watched.current)
    if (!ended) return
    watched.current = null
    say(announcementOf(ended, state))
  }, [runningId, state])
  return <div ref={region} className="visually-hidden" aria-live="polite" aria-atomic="true" data-testid="announcer" />
}

function announcementOf(message: MessageResource, state: ConversationOutline): string {
  const said = plainText(message.content)
  if (message.status === "completed") return `${texts.transcript.grizz}: ${said}`
  if (message.status === "stopped") return `${said} ${texts.reply.announceStopped}`.trim()
  const error = state.replyErrors[message.id]
  const reason = error === undefined ? texts.reply.failedUnknown : texts.reply.failed[error.code]
  return `${said} ${texts.reply.announceFailed(reason)}`.trim()
}

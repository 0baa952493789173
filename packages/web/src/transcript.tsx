import type { Conversation, ConversationState } from "@grizz/client"
import type { TimelineItem } from "@grizz/client/timeline"
import { type ReactNode, type RefObject, useLayoutEffect, useState } from "react"
import { Icon } from "./icons.tsx"
import { GrizzMessage, PendingUserMessage, UserMessage } from "./message.tsx"
import { useStickToEnd } from "./stick-to-end.ts"
import { texts } from "./texts.ts"

interface TranscriptProps {
  state: ConversationState
  items: readonly TimelineItem[]
  conversation: Conversation
  readOnly: boolean
  /** Shown while nothing has been said. */
  children: ReactNode
}

/** The conversation, newest at the end, which it follows as long as the reader is there. */
export function Transcript({ state, items, conversation, readOnly, children }: TranscriptProps) {
  const { scroller, atEnd, scrollToEnd } = useStickToEnd(items.length > 0)
  const ownWords = state.pending.length
  // Whoever sends a message wants to see it, wherever they were reading.
  useLayoutEffect(() => {
    if (ownWords > 0) scrollToEnd()
  }, [ownWords, scrollToEnd])

  const last = items.at(-1)
  return (
    <div className="transcript-frame">
      <div
        ref={scroller}
        className="transcript"
        role="log"
        aria-live="off"
        aria-label={texts.transcript.label}
        aria-busy={state.reply !== null}
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- the keyboard must be able to scroll it
        tabIndex={0}
      >
        <div className="transcript-column">
          {state.hasEarlier && <Earlier conversation={conversation} scroller={scroller} />}
          {items.length === 0
            ? children
            : items.map((item) => (
                <Item
                  key={item.key}
                  item={item}
                  conversation={conversation}
                  again={!readOnly && item === last ? previousText(items) : null}
                />
              ))}
        </div>
      </div>
      {!atEnd && (
        <button type="button" className="newest" onClick={scrollToEnd}>
          <Icon name="down" size={18} />
          {texts.transcript.newest}
        </button>
      )}
    </div>
  )
}

interface ItemProps {
  item: TimelineItem
  conversation: Conversation
  /** What to ask once more when this reply failed; null where that is not offered. */
  again: string | null
}

function Item({ item, conversation, again }: ItemProps) {
  if (item.kind === "pending") return <PendingUserMessage pending={item.pending} conversation={conversation} />
  const unended = { createdAt: null, error: null, onAskAgain: null }
  if (item.kind === "waiting") return <GrizzMessage text="" status="waiting" {...unended} />
  if (item.kind === "writing") return <GrizzMessage text={item.reply.text} status="writing" {...unended} />
  const { role, content, status, created_at } = item.message
  if (role === "user" || status === "sent") return <UserMessage content={content} createdAt={created_at} />
  const askAgain = again === null ? null : () => void conversation.send(again)
  return <GrizzMessage text={content} status={status} createdAt={created_at} error={item.error} onAskAgain={askAgain} />
}

/** The text of the user's newest message. */
function previousText(items: readonly TimelineItem[]): string | null {
  const item = items.findLast((one) => one.kind === "message" && one.message.role === "user")
  return item?.kind === "message" ? item.message.content : null
}

function Earlier({ conversation, scroller }: { conversation: Conversation; scroller: RefObject<HTMLElement | null> }) {
  const [loading, setLoading] = useState(false)
  const load = () => {
    const box = scroller.current
    const fromEnd = box === null ? 0 : box.scrollHeight - box.scrollTop
    setLoading(true)
    const settle = () => {
      setLoading(false)
      // What was being read stays where it is, below what has come in above it.
      requestAnimationFrame(() => {
        if (box === null) return
        box.scrollTop = box.scrollHeight - fromEnd
        // With nothing earlier left, the button and the focus on it are gone.
        if (document.activeElement === document.body) box.focus({ preventScroll: true })
      })
    }
    conversation.loadEarlier().then(settle, settle)
  }
  return (
    <button type="button" className="button quiet earlier" onClick={load} disabled={loading}>
      {loading ? texts.transcript.loadingEarlier : texts.transcript.earlier}
    </button>
  )
}

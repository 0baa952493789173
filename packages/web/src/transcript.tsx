import type { Conversation } from "@grizz/client"
import type { ConversationOutline } from "@grizz/client/react"
import { type TimelineItem, timeline } from "@grizz/client/timeline"
import { type ReactNode, useLayoutEffect, useMemo, useRef, useState } from "react"
import { Virtualizer, type VirtualizerHandle } from "virtua"
import type { Addressed } from "./addressed-conversation.ts"
import { ConversationStart } from "./conversation-start.tsx"
import { GrizzMessage, PendingUserMessage, UserMessage } from "./message.tsx"
import { NewestButton } from "./newest-button.tsx"
import { useStickToEnd } from "./stick-to-end.ts"
import { texts } from "./texts.ts"
import { type Earlier, useEarlier } from "./use-earlier.ts"
import { soughtRow, useSoughtMessage } from "./use-sought-message.ts"

/** How far around what is seen messages are in the document, in CSS pixels: only those does the browser search or read out. */
const keptPx = 4_000
/** Height of the room above the first message, in CSS pixels; as in transcript.css. */
const roomAbovePx = 16

interface TranscriptProps {
  state: ConversationOutline
  conversation: Conversation
  /** Id of the reply that went on after a break, or null. */
  resumed: string | null
  /** May name a message, which is led to and marked. */
  addressed: Addressed
  /** Shown while nothing has been said. */
  children: ReactNode
}

/** Before the first message stands how the conversation began. */
type Row = { kind: "start"; key: "start" } | TimelineItem<{ id: string; messageId: string }>

/** The conversation, newest at the end, which it follows as long as the reader is there. */
export function Transcript({ state, conversation, resumed, addressed, children }: TranscriptProps) {
  const rows = useRows(state)
  const { scroller, atEnd, scrollToEnd, leaveEnd } = useStickToEnd(rows.length > 0)
  const earlier = useEarlier(conversation)
  const list = useRef<VirtualizerHandle>(null)
  const hasEarlier = state.conversation === null ? null : state.hasEarlier
  const isGone = useSoughtMessage({ addressed, rows, hasEarlier, earlier, list, onFound: leaveEnd })
  const prepended = usePrepended(rows)
  const ownWords = state.pending.length
  // Whoever sends a message wants to see it, wherever they were reading.
  useLayoutEffect(() => {
    if (ownWords > 0) scrollToEnd()
  }, [ownWords, scrollToEnd])

  const readBack = (offset: number) => {
    const isNear = offset < (scroller.current?.clientHeight ?? 0)
    if (isNear && !atEnd && state.hasEarlier && earlier.status === "idle") earlier.load()
  }
  const newest = rows.at(-1)
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
          {rows.length === 0 ? (
            children
          ) : (
            <Virtualizer
              ref={list}
              data={rows}
              scrollRef={scroller}
              startMargin={roomAbovePx}
              bufferSize={keptPx}
              shift={prepended}
              onScroll={readBack}
            >
              {(row) => (
                <div key={row.key} className="row" {...(row.key === addressed.messageId && soughtRow)}>
                  <RowContent
                    row={row}
                    state={state}
                    conversation={conversation}
                    isNewest={row === newest}
                    isResumed={row.key === resumed}
                  />
                </div>
              )}
            </Virtualizer>
          )}
        </div>
      </div>
      <EarlierNote earlier={earlier} isGone={isGone} />
      {!atEnd && <NewestButton conversation={conversation} onClick={scrollToEnd} />}
    </div>
  )
}

function useRows({ messages, reply, queued, pending, replyErrors, hasEarlier }: ConversationOutline): Row[] {
  return useMemo(() => {
    const items = timeline({ messages, reply, queued, pending, replyErrors })
    return items.length === 0 || hasEarlier ? items : [{ kind: "start", key: "start" }, ...items]
  }, [messages, reply, queued, pending, replyErrors, hasEarlier])
}

/** Whether what came in last came before the first row. */
function usePrepended(rows: readonly Row[]): boolean {
  const first = rows[0]?.key ?? null
  const [known, setKnown] = useState({ first, count: rows.length, isPrepended: false })
  if (known.first === first && known.count === rows.length) return known.isPrepended
  const isPrepended = known.first !== null && known.first !== first
  setKnown({ first, count: rows.length, isPrepended })
  return isPrepended
}

interface RowContentProps {
  row: Row
  state: ConversationOutline
  conversation: Conversation
  isNewest: boolean
  isResumed: boolean
}

function RowContent({ row, state, conversation, isNewest, isResumed }: RowContentProps) {
  const unended = { conversation, replyId: row.key, stored: null, createdAt: null, error: null, retry: null, isResumed }
  switch (row.kind) {
    case "start":
      return <ConversationStart />
    case "pending":
      return <PendingUserMessage pending={row.pending} conversation={conversation} />
    case "waiting":
    case "writing":
      return <GrizzMessage status={row.kind} {...unended} />
    case "message":
    default: {
      const { id, role, content, status, created_at } = row.message
      if (role === "user" || status === "sent") return <UserMessage content={content} createdAt={created_at} />
      const asked = state.retry?.replyId === id ? state.retry : null
      const retry = isNewest ? { isAsked: asked !== null && asked.error === null, refusal: asked?.error ?? null } : null
      return (
        <GrizzMessage
          status={status}
          {...unended}
          stored={content}
          createdAt={created_at}
          error={row.error}
          retry={retry}
        />
      )
    }
  }
}

function EarlierNote({ earlier, isGone }: { earlier: Earlier; isGone: boolean }) {
  return (
    <output className="earlier">
      {isGone && <span className="earlier-note">{texts.search.gone}</span>}
      {earlier.status === "loading" && <span className="earlier-note">{texts.transcript.loadingEarlier}</span>}
      {earlier.status === "failed" && (
        <span className="earlier-note">
          {texts.transcript.earlierFailed}
          <button type="button" className="button link" onClick={earlier.load}>
            {texts.days.tryAgain}
          </button>
        </span>
      )}
    </output>
  )
}

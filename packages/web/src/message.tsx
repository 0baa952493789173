import type { Conversation, MessageResource, PendingMessage, Refusal } from "@grizz/client"
import { memo, useDeferredValue } from "react"
import { BearMark } from "./bear-mark.tsx"
import { timeOfDay } from "./days.ts"
import { Icon } from "./icons.tsx"
import { Markdown } from "./markdown.tsx"
import { texts } from "./texts.ts"
import { useReplyText } from "./use-reply-text.ts"

/** Why a reply failed, by the code; taken from the client's own state. */
type ReplyFailure = { code: keyof typeof texts.reply.failed } | null

export const UserMessage = memo(function UserMessage({ content, createdAt }: { content: string; createdAt: string }) {
  return (
    <article className="message user">
      <h2 className="visually-hidden">{texts.transcript.you}</h2>
      <p className="bubble">{content}</p>
      <Time instant={createdAt} />
    </article>
  )
})

interface PendingUserMessageProps {
  pending: PendingMessage
  conversation: Conversation
}

export const PendingUserMessage = memo(function PendingUserMessage({ pending, conversation }: PendingUserMessageProps) {
  const failed = pending.status === "failed"
  return (
    <article className="message user" data-pending={pending.status}>
      <h2 className="visually-hidden">{texts.transcript.you}</h2>
      <p className="bubble">{pending.content}</p>
      {!failed && <span className="sending">{texts.pending.sending}</span>}
      {failed && (
        <div className="message-note failed" role="alert">
          <Icon name="warning" size={18} />
          <span>
            {texts.pending.failed} {reasonOf(pending)}
          </span>
          <button type="button" className="button link" onClick={() => conversation.resend(pending.id)}>
            {texts.pending.retry}
          </button>
          <button type="button" className="button link" onClick={() => conversation.discard(pending.id)}>
            {texts.pending.discard}
          </button>
        </div>
      )}
    </article>
  )
})

function reasonOf({ error }: PendingMessage): string {
  return error === null ? "" : (texts.pending.reasons[error.code] ?? error.message)
}

/** How asking for a new answer stands. */
interface RetryState {
  isAsked: boolean
  refusal: Refusal | null
}

interface GrizzMessageProps {
  conversation: Conversation
  replyId: string
  status: Exclude<MessageResource["status"], "sent"> | "waiting" | "writing"
  /** Null while it is written. */
  stored: string | null
  createdAt: string | null
  error: ReplyFailure
  /** Null where a new answer is not offered. */
  retry: RetryState | null
  /** It went on after a break. */
  isResumed: boolean
}

export const GrizzMessage = memo(
  function GrizzMessage(props: GrizzMessageProps) {
    const { conversation, replyId, status, stored, createdAt, error, retry, isResumed } = props
    const isWriting = status === "writing"
    // A fast stream may bring text faster than it can be laid out: then some of its steps are left out.
    const shown = useDeferredValue(useReplyText(conversation, replyId, stored))
    return (
      <article className="message grizz" data-status={status}>
        <h2 className="message-name">
          <BearMark size={26} />
          <span aria-hidden="true">{texts.name}</span>
          <span className="visually-hidden">{texts.transcript.grizz}</span>
          {createdAt !== null && <Time instant={createdAt} />}
          {isResumed && isWriting && <span className="resumed">{texts.reply.resumed}</span>}
        </h2>
        {shown !== "" && <Markdown text={shown} streaming={isWriting} />}
        {shown === "" && (isWriting || status === "waiting") && <Thinking waiting={status === "waiting"} />}
        {status === "stopped" && <EndNote icon="stopped" words={texts.reply.stopped} {...{ conversation, retry }} />}
        {status === "failed" && <EndNote icon="warning" words={reasonOfReply(error)} {...{ conversation, retry }} />}
      </article>
    )
  },
  (a, b) =>
    a.conversation === b.conversation &&
    a.status === b.status &&
    a.stored === b.stored &&
    a.createdAt === b.createdAt &&
    a.error === b.error &&
    a.retry?.isAsked === b.retry?.isAsked &&
    a.retry?.refusal === b.retry?.refusal &&
    a.isResumed === b.isResumed,
)

function Thinking({ waiting }: { waiting: boolean }) {
  return (
    <p className="thinking">
      <span className="visually-hidden">{waiting ? texts.reply.waiting : texts.reply.thinking}</span>
      <span className="dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
    </p>
  )
}

interface EndNoteProps extends Pick<GrizzMessageProps, "conversation" | "retry"> {
  icon: "stopped" | "warning"
  words: string
}

/** Why an answer ended early, and the way to another one. */
function EndNote({ icon, words, conversation, retry }: EndNoteProps) {
  const { isAsked = false, refusal = null } = retry ?? {}
  return (
    <div className={icon === "warning" ? "message-note failed" : "message-note"}>
      <Icon name={icon} size={18} />
      <span>
        {words} {refusal !== null && texts.reply.retryRefused(refusal.message)}
      </span>
      {retry !== null && (
        <button type="button" className="button link" aria-disabled={isAsked} onClick={() => conversation.retry()}>
          {isAsked ? texts.reply.asking : texts.reply.askAgain}
        </button>
      )}
    </div>
  )
}

function reasonOfReply(error: ReplyFailure): string {
  return error === null ? texts.reply.failedUnknown : texts.reply.failed[error.code]
}

function Time({ instant }: { instant: string }) {
  return (
    <time className="time" dateTime={instant}>
      {timeOfDay(instant)}
    </time>
  )
}

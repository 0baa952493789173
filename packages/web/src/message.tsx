import type { Conversation, MessageResource, PendingMessage } from "@grizz/client"
import { memo, useDeferredValue } from "react"
import { BearMark } from "./bear-mark.tsx"
import { timeOfDay } from "./days.ts"
import { Icon } from "./icons.tsx"
import { Markdown } from "./markdown.tsx"
import { texts } from "./texts.ts"

/** Why a reply failed, by the code; taken from the client's own state. */
type ReplyFailure = { code: keyof typeof texts.reply.failed } | null

export const UserMessage = memo(function UserMessage({ content, createdAt }: { content: string; createdAt: string }) {
  return (
    <article className="message user">
      <h2 className="visually-hidden">{texts.transcript.you}</h2>
      <p className="bubble" dir="auto">
        {content}
      </p>
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
      <p className="bubble" dir="auto">
        {pending.content}
      </p>
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

interface GrizzMessageProps {
  text: string
  status: Exclude<MessageResource["status"], "sent"> | "waiting" | "writing"
  /** Null while it is not stored. */
  createdAt: string | null
  error: ReplyFailure
  onAskAgain: (() => void) | null
}

export const GrizzMessage = memo(
  function GrizzMessage({ text, status, createdAt, error, onAskAgain }: GrizzMessageProps) {
    const writing = status === "writing"
    // A fast stream may bring text faster than it can be laid out: then some of its steps are left out.
    const shown = useDeferredValue(text)
    return (
      <article className="message grizz" data-status={status}>
        <h2 className="message-name">
          <BearMark size={26} />
          <span aria-hidden="true">{texts.name}</span>
          <span className="visually-hidden">{texts.transcript.grizz}</span>
          {createdAt !== null && <Time instant={createdAt} />}
        </h2>
        {shown !== "" && <Markdown text={shown} streaming={writing} />}
        {shown === "" && (writing || status === "waiting") && <Thinking waiting={status === "waiting"} />}
        {status === "stopped" && <StoppedNote />}
        {status === "failed" && <FailedNote error={error} onAskAgain={onAskAgain} />}
      </article>
    )
  },
  // The callback's identity changes with every render and never its meaning.
  (a, b) =>
    a.text === b.text &&
    a.status === b.status &&
    a.createdAt === b.createdAt &&
    a.error === b.error &&
    (a.onAskAgain === null) === (b.onAskAgain === null),
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

function StoppedNote() {
  return (
    <p className="message-note">
      <Icon name="stopped" size={18} />
      {texts.reply.stopped}
    </p>
  )
}

function FailedNote({ error, onAskAgain }: Pick<GrizzMessageProps, "error" | "onAskAgain">) {
  return (
    <div className="message-note failed">
      <Icon name="warning" size={18} />
      <span>{error === null ? texts.reply.failedUnknown : texts.reply.failed[error.code]}</span>
      {onAskAgain !== null && (
        <button type="button" className="button link" onClick={onAskAgain}>
          {texts.reply.askAgain}
        </button>
      )}
    </div>
  )
}

function Time({ instant }: { instant: string }) {
  return (
    <time className="time" dateTime={instant}>
      {timeOfDay(instant)}
    </time>
  )
}

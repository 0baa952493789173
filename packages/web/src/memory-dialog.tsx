import type { MemoryResource } from "@grizz/client"
import { type FormEvent, useEffect, useRef, useState } from "react"
import { addressOf } from "./addressed-conversation.ts"
import { Icon } from "./icons.tsx"
import type { DialogProps } from "./lazy-dialog.tsx"
import { texts } from "./texts.ts"
import { type Memories, useMemories } from "./use-memories.ts"

const maxLength = 2000

/** What Grizz remembers of the user: to see, search, add to, correct, forget and pause. Lies over the page until closed. */
export function MemoryDialog({ client, onClose }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [query, setQuery] = useState("")
  const memories = useMemories(client, query)
  useEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog ref={dialog} className="dialog" aria-labelledby="memory-title" onClose={onClose}>
      <div className="dialog-head">
        <h2 id="memory-title">{texts.memory.title}</h2>
        <button
          type="button"
          className="icon-button"
          onClick={() => dialog.current?.close()}
          aria-label={texts.memory.close}
        >
          <Icon name="close" />
        </button>
      </div>
      <p className="dialog-note">{texts.memory.lead}</p>
      <label className="dialog-pause">
        <input
          type="checkbox"
          checked={memories.isPaused}
          onChange={(event) => void memories.pause(event.target.checked)}
        />
        {texts.memory.paused}
      </label>
      <NoteForm label={texts.memory.note} submit={texts.memory.remember} onSubmit={memories.remember} />
      <input
        type="search"
        className="dialog-field"
        aria-label={texts.memory.search}
        placeholder={texts.memory.search}
        value={query}
        onChange={(event) => setQuery(event.target.value)}
      />
      <ul className="dialog-list">
        {memories.items.map((memory) => (
          <Memory key={memory.id} memory={memory} memories={memories} onFollowed={() => dialog.current?.close()} />
        ))}
      </ul>
      <output className="dialog-note">{stateOf(memories)}</output>
      {memories.hasMore && (
        <button type="button" className="button quiet" onClick={memories.loadMore}>
          {texts.showOlder}
        </button>
      )}
    </dialog>
  )
}

function stateOf({ status, items }: Memories): string | null {
  if (status === "failed") return texts.memory.failed
  if (status === "loading") return texts.memory.loading
  return items.length === 0 ? texts.memory.none : null
}

interface MemoryProps {
  memory: MemoryResource
  memories: Memories
  onFollowed: () => void
}

function Memory({ memory, memories, onFollowed }: MemoryProps) {
  const [editing, setEditing] = useState(false)
  const day = new Intl.DateTimeFormat(texts.language, { dateStyle: "medium" }).format(new Date(memory.valid_from))
  if (editing) {
    const correct = async (text: string) => {
      const isDone = await memories.correct(memory.id, text)
      if (isDone) setEditing(false)
      return isDone
    }
    return (
      <li>
        <NoteForm
          label={texts.memory.correction}
          submit={texts.memory.save}
          initial={memory.text}
          onSubmit={correct}
          onCancel={() => setEditing(false)}
        />
      </li>
    )
  }
  return (
    <li>
      <p dir="auto">{memory.text}</p>
      <p className="dialog-note">
        {texts.memory.kinds[memory.kind]}, {day}
      </p>
      <Sources memory={memory} onFollowed={onFollowed} />
      <button
        type="button"
        className="button link"
        title={texts.memory.pinHint}
        aria-pressed={memory.pinned}
        onClick={() => void memories.pin(memory.id, !memory.pinned)}
      >
        {texts.memory.pin}
      </button>
      <button type="button" className="button link" onClick={() => setEditing(true)}>
        {texts.memory.correct}
      </button>
      <button type="button" className="button link" onClick={() => void memories.forget(memory.id)}>
        {texts.memory.forget}
      </button>
    </li>
  )
}

/** The messages that a memory was derived from, each a way to it. */
function Sources({ memory: { sources, source_count }, onFollowed }: Pick<MemoryProps, "memory" | "onFollowed">) {
  const [first] = sources
  if (first === undefined) return null
  const linkTo = ({ conversation_id, message_id }: typeof first, text: string) => (
    <a href={addressOf(conversation_id, message_id)} onClick={onFollowed}>
      {text}
    </a>
  )
  if (source_count === 1) return <p className="dialog-note">{linkTo(first, texts.memory.source)}</p>
  const said = new Intl.DateTimeFormat(texts.language, { dateStyle: "medium", timeStyle: "short" })
  return (
    <details className="dialog-note">
      <summary>{texts.memory.sources(source_count)}</summary>
      <ul className="memory-sources">
        {sources.map((source) => (
          <li key={source.message_id}>{linkTo(source, said.format(new Date(source.created_at)))}</li>
        ))}
        {source_count > sources.length && <li>{texts.memory.moreSources(source_count - sources.length)}</li>}
      </ul>
    </details>
  )
}

interface NoteFormProps {
  label: string
  submit: string
  initial?: string
  onSubmit: (text: string) => Promise<boolean>
  onCancel?: () => void
}

function NoteForm({ label, submit, initial = "", onSubmit, onCancel }: NoteFormProps) {
  const [text, setText] = useState(initial)
  const send = async (event: FormEvent) => {
    event.preventDefault()
    if (text.trim() !== "" && (await onSubmit(text.trim()))) setText("")
  }
  return (
    <form className="dialog-form" onSubmit={(event) => void send(event)}>
      <input
        className="dialog-field"
        aria-label={label}
        placeholder={label}
        maxLength={maxLength}
        value={text}
        dir="auto"
        onChange={(event) => setText(event.target.value)}
      />
      <button type="submit" className="button primary">
        {submit}
      </button>
      {onCancel !== undefined && (
        <button type="button" className="button quiet" onClick={onCancel}>
          {texts.memory.cancel}
        </button>
      )}
    </form>
  )
}

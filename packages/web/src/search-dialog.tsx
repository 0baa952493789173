import type { SearchHit } from "@grizz/client"
import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from "react"
import { addressOf, revisit } from "./addressed-conversation.ts"
import { dayName, localDay, timeOfDay } from "./days.ts"
import { Icon } from "./icons.tsx"
import type { DialogProps } from "./lazy-dialog.tsx"
import { useLocalDay } from "./local-day.ts"
import { snippetOf } from "./snippet.ts"
import { texts } from "./texts.ts"
import { type Search, useSearch } from "./use-search.ts"

const maxLength = 500

/** What was said, found by its words: a field, and below it what was found. The arrow keys walk from one to the other. */
export function SearchDialog({ client, onClose }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [query, setQuery] = useState("")
  const search = useSearch(client, query)
  const close = () => dialog.current?.close()
  useEffect(() => dialog.current?.showModal(), [])

  const walk = (steps: number) => {
    const stops = [...(dialog.current?.querySelectorAll<HTMLElement>(".search-field, .search-hit") ?? [])]
    stops[stops.findIndex((stop) => stop === document.activeElement) + steps]?.focus()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const steps = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    // Within a word that is being composed the keys are the input method's.
    if (steps === undefined || event.nativeEvent.isComposing) return
    event.preventDefault()
    walk(steps)
  }
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    walk(1)
  }
  return (
    <dialog ref={dialog} className="dialog search" aria-label={texts.search.title} onClose={onClose}>
      <form className="search-head" onSubmit={onSubmit}>
        <Icon name="search" />
        <input
          className="search-field"
          aria-label={texts.search.title}
          placeholder={texts.search.placeholder}
          enterKeyHint="search"
          autoComplete="off"
          spellCheck={false}
          maxLength={maxLength}
          dir="auto"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
          onKeyDown={onKeyDown}
        />
        <button type="button" className="icon-button" onClick={close} aria-label={texts.search.close}>
          <Icon name="close" />
        </button>
      </form>
      <div className="search-body">
        <ul className="search-hits" aria-label={texts.search.hits}>
          {search.hits.map((hit) => (
            <Hit key={hit.message.id} hit={hit} onKeyDown={onKeyDown} onFollowed={close} />
          ))}
        </ul>
        <SearchNote search={search} query={query.trim()} />
      </div>
    </dialog>
  )
}

interface HitProps {
  hit: SearchHit
  onKeyDown: (event: KeyboardEvent) => void
  onFollowed: () => void
}

function Hit({ hit, onKeyDown, onFollowed }: HitProps) {
  const today = useLocalDay()
  const { message, conversation } = hit
  const day = conversation.conv_day ?? localDay(new Date(message.created_at))
  const address = addressOf(conversation.conv_day === today ? null : conversation.id, message.id)
  const follow = () => {
    onFollowed()
    revisit(address)
  }
  return (
    <li>
      <a className="search-hit" href={address} onClick={follow} onKeyDown={onKeyDown}>
        <span className="search-hit-head">
          <strong>{message.role === "user" ? texts.search.you : texts.name}</strong>
          <span>
            {dayName(day, today)}, {timeOfDay(message.created_at)}
          </span>
        </span>
        <span className="search-hit-text" dir="auto">
          {snippetOf(hit).map(({ text, isMatch }, place) =>
            // The parts of a text never change places.
            // oxlint-disable-next-line react/no-array-index-key
            isMatch ? <mark key={place}>{text}</mark> : text,
          )}
        </span>
      </a>
    </li>
  )
}

/** What there is to say beside what was found, and the way to more of it. */
function SearchNote({ search, query }: { search: Search; query: string }) {
  const { status, hits, hasMore } = search
  return (
    <div className="search-note">
      <output>
        {status === "idle" && texts.search.lead}
        {status === "loading" && texts.search.loading}
        {status === "failed" && texts.search.failed}
        {status === "loaded" && hits.length === 0 && texts.search.none(query)}
        {status === "loaded" && hits.length > 0 && texts.search.found(hits.length, hasMore)}
      </output>
      {status === "failed" && (
        <button type="button" className="button link" onClick={search.retry}>
          {texts.days.tryAgain}
        </button>
      )}
      {status === "loaded" && hasMore && (
        <button type="button" className="button link" onClick={search.loadMore}>
          {texts.showOlder}
        </button>
      )}
    </div>
  )
}

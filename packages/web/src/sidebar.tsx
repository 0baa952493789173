import type { ConversationResource } from "@grizz/client"
import { useEffect, useRef } from "react"
import { addressOf } from "./addressed-conversation.ts"
import { BearMark } from "./bear-mark.tsx"
import { DayCalendar } from "./day-calendar.tsx"
import { dayName, groupByMonth } from "./days.ts"
import { Icon } from "./icons.tsx"
import { LanguageChoice } from "./language-choice.tsx"
import { useLocalDay } from "./local-day.ts"
import { searchKeys } from "./search-keys.ts"
import { texts } from "./texts.ts"
import type { Days } from "./use-days.ts"

interface SidebarProps {
  days: Days
  /** Id of the conversation that is read; null for today's. */
  selected: string | null
  /** Lies over the conversation instead of beside it. */
  drawer: boolean
  open: boolean
  onClose: () => void
  onChosen: () => void
  onMemory: () => void
  onSearch: () => void
  onSignOut: () => void
}

/** Every day of the user, newest first; on a phone a drawer that keeps the focus until it is closed. */
export function Sidebar(props: SidebarProps) {
  const { days, selected, drawer, open, onClose, onChosen, onMemory, onSearch, onSignOut } = props
  const closeButton = useRef<HTMLButtonElement>(null)
  const modal = drawer && open
  const today = useLocalDay()
  const selectedDay = days.conversations.find(({ id }) => id === selected)?.conv_day ?? today
  useEffect(() => {
    if (modal) closeButton.current?.focus()
  }, [modal])
  useEffect(() => {
    const closeOnEscape = (event: KeyboardEvent) => {
      if (modal && event.key === "Escape") onClose()
    }
    document.addEventListener("keydown", closeOnEscape)
    return () => document.removeEventListener("keydown", closeOnEscape)
  }, [modal, onClose])
  return (
    <>
      {modal && <div className="backdrop" onClick={onClose} aria-hidden="true" />}
      <div
        className="sidebar"
        id="days"
        data-open={open}
        inert={!open}
        {...(modal ? { role: "dialog", "aria-modal": true, "aria-label": texts.days.title } : {})}
      >
        <nav className="sidebar-column" aria-label={texts.days.title}>
          <div className="sidebar-head">
            <BearMark size={28} />
            <span className="brand">{texts.name}</span>
            {drawer && (
              <button
                ref={closeButton}
                type="button"
                className="icon-button"
                onClick={onClose}
                aria-label={texts.days.close}
              >
                <Icon name="close" />
              </button>
            )}
          </div>
          <button
            type="button"
            className="button search-opener"
            onClick={onSearch}
            aria-haspopup="dialog"
            aria-keyshortcuts="Control+K Meta+K /"
          >
            <Icon name="search" size={18} />
            {texts.search.open}
            <kbd aria-hidden="true">{searchKeys}</kbd>
          </button>
          <div className="days">
            <DayCalendar days={days} today={today} selected={selectedDay} onChosen={onChosen} />
            <DayList days={days} selected={selected} onChosen={onChosen} />
          </div>
          <div className="sidebar-tools">
            <button type="button" className="button quiet" onClick={onMemory} aria-haspopup="dialog">
              <Icon name="memory" size={18} />
              {texts.memory.open}
            </button>
          </div>
          <div className="sidebar-foot">
            <button type="button" className="button quiet" onClick={onSignOut}>
              <Icon name="leave" size={18} />
              {texts.days.signOut}
            </button>
            <LanguageChoice />
          </div>
        </nav>
      </div>
    </>
  )
}

function DayList({ days, selected, onChosen }: Pick<SidebarProps, "days" | "selected" | "onChosen">) {
  const today = useLocalDay()
  const earlier = days.conversations.filter((conversation) => conversation.conv_day !== today)
  return (
    <>
      <DayLink name={texts.days.today} id={null} selected={selected === null} onChosen={onChosen} />
      {groupByMonth(earlier).map((month) => (
        <section key={month.key} className="month" aria-labelledby={`month-${month.key}`}>
          <h2 id={`month-${month.key}`}>{month.name}</h2>
          {month.conversations.map((conversation) => (
            <DayLink
              key={conversation.id}
              id={conversation.id}
              name={nameOf(conversation, today)}
              title={conversation.conv_day === null ? null : conversation.title}
              selected={selected === conversation.id}
              onChosen={onChosen}
            />
          ))}
        </section>
      ))}
      <DayListState days={days} empty={earlier.length === 0} />
    </>
  )
}

function DayListState({ days, empty }: { days: Days; empty: boolean }) {
  if (days.status === "failed") {
    return (
      <output className="days-note">
        {texts.days.failed}{" "}
        <button type="button" className="button link" onClick={days.reload}>
          {texts.days.tryAgain}
        </button>
      </output>
    )
  }
  if (days.status === "loading") return <p className="days-note">{texts.days.loading}</p>
  if (empty) return <p className="days-note">{texts.days.none}</p>
  if (!days.hasMore) return null
  return (
    <button type="button" className="button quiet" onClick={days.loadMore}>
      {texts.showOlder}
    </button>
  )
}

interface DayLinkProps {
  name: string
  id: string | null
  title?: string | null
  selected: boolean
  onChosen: () => void
}

function DayLink({ name, id, title = null, selected, onChosen }: DayLinkProps) {
  return (
    <a className="day" href={addressOf(id)} aria-current={selected ? "page" : undefined} onClick={onChosen}>
      <span className="day-name" dir="auto">
        {name}
      </span>
      {title !== null && (
        <span className="day-title" dir="auto">
          {title}
        </span>
      )}
    </a>
  )
}

/** How a conversation is called in lists and above itself. */
export function nameOf(conversation: ConversationResource, today: string): string {
  if (conversation.conv_day !== null) return dayName(conversation.conv_day, today)
  return conversation.title ?? texts.days.untitled
}

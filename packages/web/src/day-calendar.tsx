import type { ConversationResource } from "@grizz/client"
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from "react"
import { addressOf } from "./addressed-conversation.ts"
import { addMonths, dayAfterKey, firstWeekdayOf, weeksOf } from "./calendar.ts"
import { dateLocale, dayNumber, monthName, weekdayNames, writtenDay } from "./days.ts"
import { Icon } from "./icons.tsx"
import { texts } from "./texts.ts"
import type { Days } from "./use-days.ts"

interface DayCalendarProps {
  days: Days
  /** Today, as `YYYY-MM-DD`. */
  today: string
  /** The day that is read. */
  selected: string
  onChosen: () => void
}

/** The months of the user's days, to be walked by keyboard like every date grid; a track marks a day that has words. */
export function DayCalendar({ days, today, selected, onChosen }: DayCalendarProps) {
  const [at, setAt] = useState({ day: selected, selected })
  // Whatever way another day was opened, the calendar turns to it.
  if (at.selected !== selected) setAt({ day: selected, selected })
  const { day } = at
  const go = (next: string) => setAt({ day: next > today ? today : next, selected })
  const grid = useRef<HTMLTableElement>(null)
  const titleId = useId()
  const first = useMemo(() => firstWeekdayOf(dateLocale()), [])
  const byDay = useMemo(() => conversationsByDay(days.conversations), [days.conversations])
  useOlderDays(days, day)

  const walk = (event: KeyboardEvent) => {
    const isRtl = document.documentElement.dir === "rtl"
    const next = event.ctrlKey || event.metaKey || event.altKey ? null : dayAfterKey(day, event, { first, isRtl })
    if (next === null) return
    event.preventDefault()
    go(next)
    // The day is there, and can take the focus, once the grid has been rendered.
    requestAnimationFrame(() => grid.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus())
  }
  return (
    <div className="calendar">
      <div className="calendar-head">
        <h2 id={titleId} aria-live="polite">
          {monthName(day)}
        </h2>
        <TurnButton name={texts.days.previousMonth} icon="back" onClick={() => go(addMonths(day, -1))} />
        <TurnButton
          name={texts.days.nextMonth}
          icon="forward"
          onClick={() => go(addMonths(day, 1))}
          isEnd={day.slice(0, 7) === today.slice(0, 7)}
        />
      </div>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-to-interactive-role -- the pattern of a date grid */}
      <table ref={grid} role="grid" aria-labelledby={titleId} onKeyDown={walk}>
        <thead>
          <tr>
            {weekdayNames(first).map(({ short, long }) => (
              <th key={long} scope="col" abbr={long}>
                <span aria-hidden="true">{short}</span>
                <span className="visually-hidden">{long}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {weeksOf(day, first).map((week) => (
            <tr key={week.find((one) => one !== null)}>
              {week.map((one, place) => (
                // oxlint-disable-next-line react/no-array-index-key -- an empty place has no other name
                <td key={one ?? place} aria-selected={one === selected}>
                  {one !== null && (
                    <DayButton
                      day={one}
                      today={today}
                      conversation={byDay.get(one) ?? null}
                      isCurrent={one === day}
                      onChosen={() => {
                        go(one)
                        onChosen()
                      }}
                    />
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

interface DayButtonProps {
  day: string
  today: string
  conversation: ConversationResource | null
  /** The one day that Tab leads to. */
  isCurrent: boolean
  onChosen: () => void
}

function DayButton({ day, today, conversation, isCurrent, onChosen }: DayButtonProps) {
  const isMarked = conversation !== null
  const isOpenable = isMarked || day === today
  const name = writtenDay(day, today)
  const open = () => {
    if (!isOpenable) return
    location.hash = addressOf(day === today ? null : (conversation?.id ?? null))
    onChosen()
  }
  return (
    <button
      type="button"
      className="calendar-day"
      tabIndex={isCurrent ? 0 : -1}
      data-marked={isMarked}
      aria-current={day === today ? "date" : undefined}
      aria-disabled={!isOpenable}
      aria-label={isMarked ? texts.days.withWords(name) : name}
      onClick={open}
    >
      {dayNumber(day)}
    </button>
  )
}

interface TurnButtonProps {
  name: string
  icon: "back" | "forward"
  onClick: () => void
  isEnd?: boolean
}

function TurnButton({ name, icon, onClick, isEnd = false }: TurnButtonProps) {
  return (
    <button type="button" className="icon-button turn" onClick={onClick} aria-label={name} aria-disabled={isEnd}>
      <Icon name={icon} size={18} />
    </button>
  )
}

function conversationsByDay(conversations: readonly ConversationResource[]): Map<string, ConversationResource> {
  const byDay = new Map<string, ConversationResource>()
  for (const one of conversations) if (one.conv_day !== null) byDay.set(one.conv_day, one)
  return byDay
}

/** Reads on in the list until it reaches back before the month that is shown. */
function useOlderDays({ conversations, status, hasMore, loadMore }: Days, day: string): void {
  const oldest = conversations.reduce(
    (least, { conv_day }) => ((conv_day ?? "9999") < least ? (conv_day ?? least) : least),
    "9999",
  )
  const isShort = status === "loaded" && hasMore && oldest >= `${day.slice(0, 7)}-01`
  useEffect(() => {
    if (isShort) loadMore()
  }, [isShort, loadMore])
}

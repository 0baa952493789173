import type { GrizzClient } from "@grizz/client"
import { useCallback, useRef, useState } from "react"
import { useAddressed } from "./addressed-conversation.ts"
import { ConversationView } from "./conversation-view.tsx"
import { localDay } from "./days.ts"
import { Icon } from "./icons.tsx"
import { LazyDialog } from "./lazy-dialog.tsx"
import { useMediaQuery } from "./media-query.ts"
import { useSearchKeys } from "./search-keys.ts"
import { Sidebar } from "./sidebar.tsx"
import { texts } from "./texts.ts"
import { useDays } from "./use-days.ts"

const dialogs = {
  memory: async () => (await import("./memory-dialog.tsx")).MemoryDialog,
  search: async () => (await import("./search-dialog.tsx")).SearchDialog,
}

interface ChatPageProps {
  client: GrizzClient
  offlineModel: boolean
  onSignOut: () => void
}

/** The signed-in page: the days beside (on a phone: above) the conversation that the address names. */
export function ChatPage({ client, offlineModel, onSignOut }: ChatPageProps) {
  const addressed = useAddressed()
  const { conversationId } = addressed
  const days = useDays(client)
  const narrow = useMediaQuery("(max-width: 52rem)")
  const [openedOn, setOpenedOn] = useState(() => localDay(new Date()))
  const [drawerOpenAt, setDrawerOpenAt] = useState<typeof addressed | null>(null)
  const [dialog, setDialog] = useState<keyof typeof dialogs | null>(null)
  const opener = useRef<HTMLButtonElement>(null)
  // Whoever goes somewhere, by whatever way, leaves the drawer.
  const drawerOpen = drawerOpenAt === addressed
  const modal = narrow && drawerOpen
  useSearchKeys(useCallback(() => setDialog("search"), []))
  const closeDrawer = useCallback(() => {
    setDrawerOpenAt(null)
    // The opener is inert until the drawer is gone.
    requestAnimationFrame(() => opener.current?.focus())
  }, [])
  const focusComposer = () => document.getElementById("message")?.focus()
  const menu = narrow && (
    <button
      ref={opener}
      type="button"
      className="icon-button"
      onClick={() => setDrawerOpenAt(addressed)}
      aria-label={texts.days.open}
      aria-expanded={drawerOpen}
      aria-controls="days"
    >
      <Icon name="menu" />
    </button>
  )
  return (
    <div className="app">
      <a
        className="skip-link"
        href="#message"
        onClick={(event) => {
          event.preventDefault()
          focusComposer()
        }}
      >
        {texts.skipToMessage}
      </a>
      <Sidebar
        days={days}
        selected={conversationId}
        drawer={narrow}
        open={!narrow || drawerOpen}
        onClose={closeDrawer}
        onChosen={() => setDrawerOpenAt(null)}
        onMemory={() => setDialog("memory")}
        onSearch={() => setDialog("search")}
        onSignOut={onSignOut}
      />
      {dialog !== null && (
        <LazyDialog key={dialog} load={dialogs[dialog]} client={client} onClose={() => setDialog(null)} />
      )}
      <main className="main" inert={modal}>
        <ConversationView
          key={conversationId ?? `today ${openedOn}`}
          client={client}
          addressed={addressed}
          offlineModel={offlineModel}
          menu={menu}
          onSpoken={days.reload}
          onNewDay={() => setOpenedOn(localDay(new Date()))}
          onSignOut={onSignOut}
        />
      </main>
    </div>
  )
}

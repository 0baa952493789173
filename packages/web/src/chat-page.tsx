import type { GrizzClient } from "@grizz/client"
import { useCallback, useRef, useState } from "react"
import { useAddressedConversation } from "./addressed-conversation.ts"
import { ConversationView } from "./conversation-view.tsx"
import { localDay } from "./days.ts"
import { Icon } from "./icons.tsx"
import { LazyDialog } from "./lazy-dialog.tsx"
import { useMediaQuery } from "./media-query.ts"
import { Sidebar } from "./sidebar.tsx"
import { texts } from "./texts.ts"
import { useDays } from "./use-days.ts"

const memoryDialog = async () => (await import("./memory-dialog.tsx")).MemoryDialog

interface ChatPageProps {
  client: GrizzClient
  offlineModel: boolean
  onSignOut: () => void
}

/** The signed-in page: the days beside (on a phone: above) the conversation that the address names. */
export function ChatPage({ client, offlineModel, onSignOut }: ChatPageProps) {
  const addressed = useAddressedConversation()
  const days = useDays(client)
  const narrow = useMediaQuery("(max-width: 52rem)")
  const [openedOn, setOpenedOn] = useState(() => localDay(new Date()))
  const [drawerOpen, setDrawerOpen] = useState(false)
  const [memoryOpen, setMemoryOpen] = useState(false)
  const opener = useRef<HTMLButtonElement>(null)
  const modal = narrow && drawerOpen
  const closeDrawer = useCallback(() => {
    setDrawerOpen(false)
    // The opener is inert until the drawer is gone.
    requestAnimationFrame(() => opener.current?.focus())
  }, [])
  const focusComposer = () => document.getElementById("message")?.focus()
  const menu = narrow && (
    <button
      ref={opener}
      type="button"
      className="icon-button"
      onClick={() => setDrawerOpen(true)}
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
        selected={addressed}
        drawer={narrow}
        open={!narrow || drawerOpen}
        onClose={closeDrawer}
        onChosen={() => setDrawerOpen(false)}
        onMemory={() => setMemoryOpen(true)}
        onSignOut={onSignOut}
      />
      {memoryOpen && <LazyDialog load={memoryDialog} client={client} onClose={() => setMemoryOpen(false)} />}
      <main className="main" inert={modal}>
        <ConversationView
          key={addressed ?? `today ${openedOn}`}
          client={client}
          conversationId={addressed}
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

import type { ConnectionState } from "@grizz/client"
import { texts } from "./texts.ts"

interface ConnectionBannerProps {
  connection: ConnectionState
  onRetry: () => void
  onSignIn: () => void
}

/** What is wrong with the line, and what one can do; nothing while it is open. */
export function ConnectionBanner({ connection, onRetry, onSignIn }: ConnectionBannerProps) {
  const { status, error } = connection
  const silent = status === "open" || (status === "closed" && error === null)
  return (
    <output className="connection" data-status={status}>
      {!silent && (
        <span className="connection-bar">
          <span className="connection-dot" aria-hidden="true" />
          <span>{messageOf(connection)}</span>
          {(status === "reconnecting" || status === "offline") && (
            <button type="button" className="button link" onClick={onRetry}>
              {texts.connection.tryNow}
            </button>
          )}
          {error?.code === "unauthenticated" && (
            <button type="button" className="button link" onClick={onSignIn}>
              {texts.connection.signIn}
            </button>
          )}
        </span>
      )}
    </output>
  )
}

function messageOf({ status, error }: ConnectionState): string {
  if (status === "closed" && error !== null) {
    return texts.connection.closed[error.code] ?? texts.connection.closedUnknown(error.message)
  }
  if (status === "offline" || status === "reconnecting") return texts.connection[status]
  return texts.connection.connecting
}

import type { Credentials } from "./credentials.ts"
import type { HttpEngine } from "./http.ts"
import type { WebSocketConstructor } from "./socket-link.ts"
import type { Timing } from "./timing.ts"
import type { TransportChoice } from "./transport-choice.ts"
import type { WakeSignals } from "./wake-signals.ts"

/** What every connection of one client shares. */
export interface ConnectionRoom {
  /** Where sockets are, such as `wss://chat.example.com`. */
  socketUrl: string
  http: HttpEngine
  credentials: Credentials
  /** Null: the platform has none. */
  webSocket: WebSocketConstructor | null
  transports: TransportChoice
  wakeSignals: WakeSignals
  timing: Timing
  /** From 0 to below 1. */
  random: () => number
}

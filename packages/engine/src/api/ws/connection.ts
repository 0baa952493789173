import { closeCodes } from "@grizz/protocol/constants"
import type { ReaderEnd } from "../../live-ports.ts"
import type { TokenVerifier } from "../../ports.ts"
import type { ChatService } from "../../services/chat-service.ts"
import type { ReaderSink } from "../../services/conversation-reader.ts"
import type { Session, SessionHolder } from "../session.ts"
import type { FrameHandler, Socket } from "./socket.ts"

/** One mode of the wire: takes the client's frames, and is the sink of the conversation's events. */
export interface Connection extends FrameHandler, ReaderSink, SessionHolder {}

export interface ConnectionOptions {
  session: Session
  socket: Socket
  chat: ChatService
  verifier: TokenVerifier
  newId: () => string
  /** Told of errors that are nobody's fault but ours. */
  onUnexpected: (error: unknown) => void
}

/** Ends a connection whose reader is over. */
export function closeReader(socket: Socket, reason: ReaderEnd): void {
  if (reason === "too_slow") socket.endSlowReader()
  else if (reason === "behind") socket.close(closeCodes.restarting, "come back with your cursor")
  else socket.close(closeCodes.notFound, "the conversation was deleted")
}

/** Ends a connection whose token has expired. */
export function closeExpired(socket: Socket): void {
  socket.close(closeCodes.unauthenticated, "the token has expired")
}

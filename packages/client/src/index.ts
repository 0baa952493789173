export type {
  ConversationPage,
  ConversationResource,
  MemoryPage,
  MemoryResource,
  MemorySettings,
  MessagePage,
  MessageResource,
  PageConfig,
  QueuedReply,
  ReplyError,
  SearchHit,
  SearchPage,
  Turn,
} from "@grizz/protocol"
export type { Conversation, SendOptions } from "./conversation.ts"
export {
  type AskedRetry,
  type ConnectionState,
  type ConversationEvent,
  type ConversationState,
  initialState,
  type LiveReply,
  type LocalEvent,
  type PendingMessage,
  type Refusal,
} from "./conversation-state.ts"
export type { TokenProvider } from "./credentials.ts"
export { GrizzClient, type GrizzClientOptions } from "./grizz-client.ts"
export { GrizzError, type GrizzErrorCode } from "./grizz-error.ts"
export type { CallOptions, Fetch, RequestOptions } from "./http.ts"
export { deviceTimezone } from "./local-day.ts"
export { reduce } from "./reduce.ts"
export type { NewMessage, RestAnswer, RestCalls, SearchQuery } from "./rest-calls.ts"
export { appConfig, type DevelopmentToken, developmentToken } from "./sign-in.ts"
export type { WebSocketConstructor, WebSocketLike } from "./socket-link.ts"
export { MemoryStorage, type MessageStorage } from "./storage.ts"
export type { Timing } from "./timing.ts"

export type { ConversationPage, ConversationResource, MessagePage, MessageResource, PageConfig } from "@grizz/protocol"
export type { WebSocketConstructor, WebSocketLike } from "./connection.ts"
export {
  type ConnectionState,
  type ConversationEvent,
  type ConversationState,
  initialState,
  type LiveReply,
  type PendingMessage,
  reduce,
} from "./conversation-state.ts"
export {
  deviceTimezone,
  GrizzClient,
  type GrizzClientOptions,
  type OpenOptions,
  type PageQuery,
} from "./grizz-client.ts"
export { GrizzError, type GrizzErrorCode } from "./grizz-error.ts"
export type { RequestOptions } from "./http.ts"
export type { LiveConversation } from "./live-conversation.ts"
export { appConfig, type DevelopmentToken, developmentToken } from "./sign-in.ts"
export { type TimelineItem, timeline } from "./timeline.ts"
export type { Timing } from "./timing.ts"
export type { TokenProvider } from "./token-provider.ts"

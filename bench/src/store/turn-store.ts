/** What a turn asks of a database, without anything around it. */
export interface TurnStore {
  /** Makes a conversation; gives its id. */
  begin(): Promise<string>
  /** A question in, the context out, the answer in. */
  turn(conversationId: string, question: string, answer: string): Promise<void>
  close(): Promise<void>
}

export const storeKinds = ["engine", "pg_named_cte", "pg_four_statements"] as const
export type StoreKind = (typeof storeKinds)[number]

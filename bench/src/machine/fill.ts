import { type Place, runSql } from "./database.ts"

export interface Filling {
  conversationId: string
  userId: string
  /** Questions and answers in turn. */
  messages: number
}

/** Fills a new conversation as if it had been talked in; then does what the engine and autovacuum do some minutes later. */
export async function fillConversation(place: Place, { conversationId, userId, messages }: Filling): Promise<void> {
  const idOf = (position: string) => `md5('${conversationId}' || ${position})::uuid`
  const timeOf = "now() - interval '20 hours' + n * interval '50 milliseconds'"
  await runSql(place, [
    "set synchronous_commit = off",
    // The triggers serve an engine that gives no positions.
    "set session_replication_role = replica",
    `insert into public.messages (id, conversation_id, user_id, role, content, position, created_at)
      select ${idOf("n")}, '${conversationId}', case when n % 2 = 0 then '${userId}'::uuid end,
        case when n % 2 = 0 then 'user' else 'assistant' end, repeat('word ', 20) || n, n, ${timeOf}
      from generate_series(0, ${messages - 1}) n`,
    `insert into grizz.replies (id, conversation_id, message_id, user_id, position, status, attempt, calls, lease_owner,
        created_at, started_at, ended_at)
      select ${idOf("n")}, '${conversationId}', ${idOf("(n - 1)")}, '${userId}', n, 'completed', 1, 1, 'filled',
        ${timeOf}, ${timeOf}, ${timeOf}
      from generate_series(1, ${messages - 1}, 2) n`,
    "reset session_replication_role",
    `update public.conversations set updated_at = now() where id = '${conversationId}'`,
    // At once what the engine would do in batches, for as long as all the rounds last.
    `do $$ begin
      loop
        perform grizz.index_messages(10000);
        exit when exists (
          select from grizz.message_terms t where t.conversation_id = '${conversationId}' and t.position = ${messages - 1}
        );
      end loop;
    end $$`,
    "vacuum analyze public.messages",
    "vacuum analyze grizz.replies",
    "vacuum analyze grizz.message_terms",
    "checkpoint",
  ])
}

import { describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { createStores } from "../../src/db/stores.ts"
import { TestConversation } from "../support/database-conversation.ts"
import { sql } from "../support/database-sql.ts"
import { describeDatabases } from "../support/describe-databases.ts"

/** By the rule that each of them breaks, what is written to a reply that runs. */
const breaches = {
  replies_position_check: "position = -1",
  replies_status_check: "status = 'paused', lease_until = null, ended_at = now()",
  replies_attempt_check: "attempt = -1",
  replies_calls_check: "calls = -1",
  replies_input_tokens_check: "input_tokens = -1",
  replies_output_tokens_check: "output_tokens = -1",
  replies_running_has_lease: "lease_until = null",
  replies_running_has_owner: "lease_owner = null",
  replies_running_has_begun: "started_at = null",
  replies_ended_has_time: "status = 'completed', lease_until = null",
  replies_failed_has_code: "status = 'failed', lease_until = null, ended_at = now()",
}

describeDatabases("a reply's row", (database) => {
  describe("is refused", () => {
    test.each(Object.entries(breaches))("where it breaks %s", async (rule, assignments) => {
      const conversation = await TestConversation.create(createStores(database(), newId))
      const { reply } = await conversation.start("question")
      const write = sql(database(), `update grizz.replies set ${assignments} where id = $1::uuid`, [reply.id])
      await expect(write).rejects.toMatchObject({ code: "23514", message: expect.stringContaining(rule) })
      const columns = "id, conversation_id, message_id, user_id, position, status, attempt, calls"
      const copy = `insert into grizz.replies (${columns}, ended_at)
        select $2::uuid, conversation_id, $2::uuid, user_id, position + 9, 'running', 0, 0, now() from grizz.replies
        where id = $1::uuid`
      await expect(sql(database(), copy, [reply.id, newId()])).rejects.toMatchObject({ code: "23514" })
    })
  })
})

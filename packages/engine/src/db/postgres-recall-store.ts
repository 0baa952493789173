import type { Quote, RecallRequest, RecallStore } from "../ports.ts"
import type { Database, Statement } from "./database.ts"

// Each word of the text counts by how rare it is among the user's messages; too frequent ones, which are read no further
// than to be known as such, count nothing. The rarest come first, until there are 2,000 hits. A hit counts for the three
// messages before and after it, too, the less the farther: an answer seldom has the words of its question.
const recall: Statement = {
  name: "grizz_recall",
  text: `with here as (
      select c.user_id, coalesce((
          select m.position from public.messages m where m.conversation_id = c.id order by m.position desc limit 1
        ), 0) - $3::integer as last_outside
      from public.conversations c where c.id = $1::uuid
    ), asked as materialized (
      select w.word from grizz.words_of(left($2::text, 4000)) w(word) limit 64
    ), hit as materialized (
      select a.word, f.conversation_id, f.position
      from here h cross join asked a cross join lateral (
        select w.conversation_id, w.position from grizz.message_words w
        where w.user_id = h.user_id and w.word = a.word order by w.message_id desc limit 2000
      ) f
    ), frequency as (
      select h.word, count(*) as hits from hit h group by h.word having count(*) < 2000
    ), chosen as (
      select f.word, f.hits, sum(f.hits) over (order by f.hits, f.word) as hits_so_far from frequency f
    ), weighted as (
      select c.word, power(ln(1 + 2000.0 / c.hits), 2) as weight
      from chosen c where c.hits_so_far <= 2000 or c.hits_so_far = c.hits
    ), near as (
      select h.conversation_id, h.position + n.distance as position, h.word,
        max(w.weight * (array[1.0, 0.55, 0.35, 0.2])[abs(n.distance) + 1]) as score
      from hit h join weighted w using (word) cross join generate_series(-3, 3) n(distance)
      group by 1, 2, 3
    ), scored as (
      select n.conversation_id, n.position, sum(n.score) as score
      from near n cross join here h
      where n.conversation_id <> $1::uuid or n.position <= h.last_outside
      group by 1, 2 order by 3 desc, 1, 2 limit $4::integer + 20
    )
    select m.id::text as "messageId", m.role, m.content, grizz.rfc3339(m.created_at) as "createdAt"
    from scored s
      join public.messages m on m.conversation_id = s.conversation_id and m.position = s.position
      join public.conversations c on c.id = m.conversation_id
      cross join here h
    where c.user_id = h.user_id and m.role in ('user', 'assistant')
      and not exists (select from grizz.replies r where r.id = m.id and r.superseded_by is not null)
    order by s.score desc, m.created_at desc, m.id limit $4::integer`,
}

const indexBacklog: Statement = {
  name: "grizz_index_backlog",
  text: "select grizz.index_backlog(200) as is_more",
}

/** What was said, by its words, in PostgreSQL. */
export class PostgresRecallStore implements RecallStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  recall({ conversationId, text, inContext, limit }: RecallRequest): Promise<Quote[]> {
    return this.#database.query(recall, [conversationId, text, inContext, limit])
  }

  async indexBacklog(): Promise<boolean> {
    const [row] = await this.#database.query<{ is_more: boolean }>(indexBacklog)
    return row!.is_more
  }
}

/**
 * What a reply is made for, as parts of a `with`: `of_user`, without a row while the memory is paused, and `asked`. `$1` is
 * the conversation, `$2` the position of the message to be answered, `$3` how many messages the prompt has of the
 * conversation anyway. The window is that of grizz.context_before.
 */
export const occasion = `of_user as (
      select c.user_id, grizz.known_zone(c.timezone) as zone from public.conversations c where c.id = $1::uuid
        and not exists (select from grizz.memory_settings s where s.user_id = c.user_id and s.is_paused)
    ), asked as (
      select m.content, m.created_at, coalesce((
        select w.position from public.messages w
        where w.conversation_id = $1::uuid and w.position < $2::integer and w.role in ('user', 'assistant')
          and w.content <> '' and not coalesce((
            select true from grizz.replies r
            where r.conversation_id = $1::uuid and r.position = w.position and r.superseded_by is not null
          ), false)
        order by w.position desc offset greatest($3::integer - 2, 0) limit case when $3::integer > 1 then 1 else 0 end
      ), $2::integer) as window_from
      from public.messages m where m.conversation_id = $1::uuid and m.position = $2::integer
    )`

-- One-time tickets, which sign in one connection on any node. Only their hash is here: whoever reads the database signs
-- in with none of them.

create table grizz.tickets (
  -- SHA-256 of the ticket.
  hash bytea primary key,
  user_id uuid not null,
  -- When the token expires that the ticket was made with; its connection lasts no longer.
  session_until timestamptz not null,
  expires_at timestamptz not null
);
create index tickets_expires_at_idx on grizz.tickets (expires_at);

-- Up Migration

create table connection_sessions (
  id uuid primary key default gen_random_uuid(),
  sub text not null,
  role text not null check (role in ('DRIVER', 'RIDER', 'VIEWER', 'OPERATOR', 'SERVICE')),
  client_id text not null,
  broker_id text not null,
  transport text not null check (transport in ('TCP', 'WEBSOCKET', 'SSE')),
  remote_address inet,
  opened_at timestamptz not null default now(),
  last_activity_at timestamptz not null default now(),
  closed_at timestamptz,
  close_reason text
);

comment on table connection_sessions is 'Every connection, kept by its events: opened, closed and why';

create index connection_sessions_open_idx on connection_sessions (sub, opened_at desc) where closed_at is null;
create index connection_sessions_opened_at_idx on connection_sessions (opened_at desc, id);
create index connection_sessions_closed_at_idx on connection_sessions (closed_at) where closed_at is not null;

-- Down Migration

drop table connection_sessions;

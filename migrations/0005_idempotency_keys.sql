-- Up Migration

-- Answers to requests that carried an Idempotency-Key, so that a repeat gets the same answer instead of a second trip.
create table idempotency_keys (
  sub text not null,
  key text not null,
  fingerprint text not null,
  trip_id uuid references trip_tracking (id) on delete cascade,
  created_at timestamptz not null default now(),
  primary key (sub, key)
);

create index idempotency_keys_created_at_idx on idempotency_keys (created_at);

-- Down Migration

drop table idempotency_keys;

-- Up Migration

-- Every change of a trip, in the order of its versions.
create table trip_events (
  trip_id uuid not null references trip_tracking (id) on delete cascade,
  version integer not null,
  status text not null,
  previous text,
  at timestamptz(3) not null default now(),
  -- What the device said, when it said so: its clock may be wrong, so nothing is decided by it
  reported_at timestamptz,
  actor_sub text not null,
  actor_role text not null,
  reason text,
  primary key (trip_id, version)
);

comment on table trip_events is 'Event log of every trip: version by version, who did it and when';

-- Status messages that committed with their change. The relay publishes them in the order of id (changes of one trip are
-- serialised by its row lock, so their ids are in the order of their versions) and marks them; they are kept for a while
-- for those who were away when this process restarted.
create table trip_outbox (
  id bigint generated always as identity primary key,
  trip_id uuid not null references trip_tracking (id) on delete cascade,
  version integer not null,
  rider_id text not null,
  driver_id text,
  message jsonb not null,
  created_at timestamptz not null default now(),
  published_at timestamptz
);

create index trip_outbox_waiting_idx on trip_outbox (id) where published_at is null;
create index trip_outbox_trip_idx on trip_outbox (trip_id, version);
create index trip_outbox_published_at_idx on trip_outbox (published_at) where published_at is not null;

alter table trip_tracking add column straight_line_meters double precision;

comment on column trip_tracking.straight_line_meters is 'from the first to the last position while IN_PROGRESS';

-- Down Migration

alter table trip_tracking drop column straight_line_meters;
drop table trip_outbox;
drop table trip_events;

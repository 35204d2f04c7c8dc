-- Up Migration

create table trip_tracking (
  id uuid primary key default gen_random_uuid(),
  rider_id text not null,
  driver_id text,
  status text not null default 'PENDING'
    check (status in ('PENDING', 'EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED')),
  version integer not null default 1,
  pickup geography(Point, 4326) not null,
  pickup_address text,
  dropoff geography(Point, 4326) not null,
  dropoff_address text,
  metadata jsonb not null default '{}',
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  en_route_at timestamptz(3),
  arrived_at timestamptz(3),
  started_at timestamptz(3),
  completed_at timestamptz(3),
  cancelled_at timestamptz(3),
  cancel_reason text,
  distance_meters double precision,
  duration_seconds double precision,
  -- EN_ROUTE needs a driver
  constraint trip_tracking_driver_check
    check (driver_id is not null or status in ('PENDING', 'CANCELLED'))
);

comment on table trip_tracking is 'A trip and where it stands';
comment on column trip_tracking.distance_meters is 'length of the recorded track while IN_PROGRESS';

-- A driver has at most one trip between EN_ROUTE and IN_PROGRESS.
create unique index trip_tracking_active_driver_idx on trip_tracking (driver_id)
  where status in ('EN_ROUTE', 'ARRIVED', 'IN_PROGRESS');
create index trip_tracking_rider_idx on trip_tracking (rider_id, created_at desc, id);
create index trip_tracking_driver_idx on trip_tracking (driver_id, created_at desc, id);
create index trip_tracking_created_at_idx on trip_tracking (created_at desc, id);
create index trip_tracking_pickup_idx on trip_tracking using gist (pickup);
create index trip_tracking_dropoff_idx on trip_tracking using gist (dropoff);

-- Down Migration

drop table trip_tracking;

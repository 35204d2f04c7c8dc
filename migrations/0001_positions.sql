-- Up Migration

create extension if not exists postgis;

-- The current position and status of every driver. One row a driver, rewritten by nearly every position: half of each page
-- is left free so that the new version finds room beside the old one.
create table driver_locations (
  driver_id text primary key,
  location geography(Point, 4326),
  bearing double precision,
  speed double precision,
  accuracy double precision,
  altitude double precision,
  battery double precision,
  recorded_at timestamptz,
  received_at timestamptz,
  trip_id uuid,
  status text not null default 'ONLINE' check (status in ('ONLINE', 'BUSY', 'ON_TRIP', 'OFFLINE')),
  status_at timestamptz not null default now()
) with (fillfactor = 50);

comment on table driver_locations is 'The newest position of each driver (by recorded_at) and its status';
comment on column driver_locations.location is 'null until the first position';
comment on column driver_locations.speed is 'm/s';
comment on column driver_locations.bearing is 'degrees clockwise from north, 0 <= b < 360';
comment on column driver_locations.accuracy is 'metres';
comment on column driver_locations.altitude is 'metres';
comment on column driver_locations.battery is 'percent';

-- Nearest-neighbour search.
create index driver_locations_location_idx on driver_locations using gist (location);
-- Who has gone silent.
create index driver_locations_recorded_at_idx on driver_locations using brin (recorded_at);

-- Every accepted position, once. A partition a day (UTC), named location_history_YYYYMMDD, made ahead of time by ingest, so that
-- retention drops a table instead of deleting rows. No spatial index: it would cost every position and no
-- question is asked across drivers in the past; a driver's track is read through the primary key.
create table location_history (
  driver_id text not null,
  recorded_at timestamptz not null,
  received_at timestamptz not null,
  location geography(Point, 4326) not null,
  bearing double precision,
  speed double precision,
  accuracy double precision,
  altitude double precision,
  battery double precision,
  trip_id uuid,
  primary key (driver_id, recorded_at)
) partition by range (recorded_at);

comment on table location_history is 'Every accepted position exactly once, by driver and time';

create index location_history_recorded_at_idx on location_history using brin (recorded_at);

-- Down Migration

drop table location_history;
drop table driver_locations;

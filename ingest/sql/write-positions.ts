import pgPromise from 'pg-promise';
import type { Runner } from '../../shared/database/index.ts';
import type { LoggedPosition } from '../../shared/position-log/index.ts';

/**
 * History and current positions of a whole batch in one statement. Idempotent: a position that is there already stays as it
 * is. Rows are written in the order of their keys, so that two workers that have the same ones never wait for each other in a
 * circle.
 * Returns the ordinals (from 1) of what was not inserted.
 */
const statement = new pgPromise.PreparedStatement({
  name: 'write-positions',
  text: `
    with incoming as (
      select driver_id,
             to_timestamp(recorded_ms / 1000.0) as recorded_at,
             to_timestamp(received_ms / 1000.0) as received_at,
             st_setsrid(st_makepoint(longitude, latitude), 4326)::geography as location,
             bearing, speed, accuracy, altitude, battery, trip_id, ordinal
        from unnest($1::text[], $2::int8[], $3::int8[], $4::float8[], $5::float8[], $6::float8[],
                    $7::float8[], $8::float8[], $9::float8[], $10::float8[], $11::uuid[])
             with ordinality as given (driver_id, recorded_ms, received_ms, latitude, longitude, bearing,
                                       speed, accuracy, altitude, battery, trip_id, ordinal)
    ), inserted as (
      insert into location_history (driver_id, recorded_at, received_at, location, bearing, speed, accuracy,
                                    altitude, battery, trip_id)
      select driver_id, recorded_at, received_at, location, bearing, speed, accuracy, altitude, battery, trip_id
        from incoming
       order by driver_id, recorded_at, ordinal
          on conflict (driver_id, recorded_at) do nothing
      returning driver_id, recorded_at
    ), current as (
      insert into driver_locations as known (driver_id, recorded_at, received_at, location, bearing, speed,
                                             accuracy, altitude, battery, trip_id, status_at)
      -- A new row's status is of our clock: by the server's it could be newer than what the driver says next
      select distinct on (driver_id) driver_id, recorded_at, received_at, location, bearing, speed,
             accuracy, altitude, battery, trip_id, received_at
        from incoming
       order by driver_id, recorded_at desc, ordinal
          on conflict (driver_id) do update
         set recorded_at = excluded.recorded_at, received_at = excluded.received_at,
             location = excluded.location, bearing = excluded.bearing, speed = excluded.speed,
             accuracy = excluded.accuracy, altitude = excluded.altitude, battery = excluded.battery,
             trip_id = excluded.trip_id
       where known.recorded_at is null or known.recorded_at < excluded.recorded_at
    )
    select ordinal::int4 as ordinal
      from (select ordinal, driver_id, recorded_at,
                   row_number() over (partition by driver_id, recorded_at order by ordinal) as copy
              from incoming) as numbered
      left join inserted using (driver_id, recorded_at)
     where copy > 1 or inserted.driver_id is null`,
});

const elementText = (value: string | number | null) =>
  typeof value === 'string' ? `"${value.replace(/["\\]/g, '\\$&')}"` : (value ?? 'NULL');

/** An array as PostgreSQL reads it (manual, 8.15.6). node-postgres' own way goes through every element twice. */
const arrayText = (values: readonly (string | number | null)[]) => `{${values.map(elementText).join(',')}}`;

/** @returns the indices of the positions that were not inserted: they are there already, or twice in this batch */
export async function writePositions(
  queries: Runner,
  positions: readonly LoggedPosition[],
): Promise<number[]> {
  const column = (pick: (position: LoggedPosition) => string | number | null) =>
    arrayText(positions.map(pick));
  const rows = await queries.any<{ ordinal: number }>(statement, [
    column((position) => position.driverId),
    column((position) => position.recordedAt),
    column((position) => position.receivedAt),
    column((position) => position.latitude),
    column((position) => position.longitude),
    column((position) => position.bearing),
    column((position) => position.speed),
    column((position) => position.accuracy),
    column((position) => position.altitude),
    column((position) => position.battery),
    column((position) => position.tripId),
  ]);
  return rows.map(({ ordinal }) => ordinal - 1);
}

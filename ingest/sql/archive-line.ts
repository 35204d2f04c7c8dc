const time = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/**
 * A row of `p` as the line of an archive: JSON, a position as REST shows it. Made by the database, which so can tell the checksum of a
 * day without sending it.
 */
export const archiveLine = `
  (select json_strip_nulls(row_to_json(line))::text
     from (select p.driver_id as "driverId", ${time('p.recorded_at')} as "recordedAt",
                  ${time('p.received_at')} as "receivedAt", st_y(p.location::geometry) as latitude,
                  st_x(p.location::geometry) as longitude, p.bearing, p.speed, p.accuracy, p.altitude,
                  p.battery, p.trip_id as "tripId") line)`;

/** How far a partition has been read, in the order of its primary key. `recordedAt`: as the database writes it. */
export type Place = { driverId: string; recordedAt: string };

export const START: Place = { driverId: '', recordedAt: '-infinity' };

/** The next rows of a partition, `p`. */
export const nextRows = `
     from $(table:name) p
    where (p.driver_id, p.recorded_at) > ($(driverId), $(recordedAt)::timestamptz)
    order by p.driver_id, p.recorded_at
    limit $(limit)`;

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { nearbyDrivers } from '../../api/sql/nearby-drivers.ts';
import type { Database } from '../../shared/database/index.ts';
import { migrate } from '../../shared/database/migrate.ts';
import { connectPostgres } from '../../shared/database/postgres.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const DRIVERS = 100_000;
const ATHENS = { latitude: 37.98, longitude: 23.7 };

let server: TestDatabase;
let database: Database;

/** A city of drivers, a third of them ONLINE, half of them fresh, some of them at the very same place. */
beforeAll(async () => {
  server = await createTestDatabase();
  await migrate(server.url, pino({ level: 'silent' }));
  database = connectPostgres(server.url, 2);
  await database.queries.none(
    `select setseed(0.5);
     insert into driver_locations (driver_id, location, recorded_at, received_at, status)
     select 'driver-' || i,
            st_setsrid(st_makepoint(23.7 + (random() - 0.5) * 0.5, 37.98 + (random() - 0.5) * 0.48), 4326)::geography,
            now() - (i % 2) * interval '1 hour', now(), case when i % 3 = 0 then 'ONLINE' else 'BUSY' end
       from generate_series(1, $(drivers)) as i;
     update driver_locations
        set location = st_setsrid(st_makepoint(23.7001, 37.98), 4326)::geography, recorded_at = now(), status = 'ONLINE'
      where driver_id in ('driver-30', 'driver-4', 'driver-200', 'driver-1000');
     analyze driver_locations`,
    { drivers: DRIVERS },
  );
});

afterAll(async () => {
  await database?.close();
  await server?.drop();
});

const fresh = () => Date.now() - 300_000;

describe(`nearby among ${DRIVERS} drivers`, () => {
  test('walks the spatial index outwards', async () => {
    const plan = await database.queries.any<{ 'QUERY PLAN': string }>(
      `explain declare nearest no scroll cursor for
         select d.driver_id, d.location <-> st_setsrid(st_makepoint(23.7, 37.98), 4326)::geography as distance
           from driver_locations d
          where d.location is not null
          order by d.location <-> st_setsrid(st_makepoint(23.7, 37.98), 4326)::geography`,
    );
    const text = plan.map((row) => row['QUERY PLAN']).join('\n');
    expect(text).toMatch(/Index Scan using driver_locations_location_idx/);
    expect(text).not.toMatch(/Seq Scan|Sort/);
  });

  test.each([
    ['all that are fresh', undefined, 20],
    ['those that are ONLINE', 'ONLINE' as const, 50],
  ])('finds the same as a look at every driver: %s', async (_name, status, limit) => {
    const found = await nearbyDrivers(database.queries, {
      ...ATHENS,
      radius: 2000,
      status,
      limit,
      freshSince: fresh(),
    });
    const expected = await database.queries.any<{ driver_id: string }>(
      `select driver_id
         from driver_locations,
              (select st_setsrid(st_makepoint(23.7, 37.98), 4326)::geography as here) as place
        where recorded_at > now() - interval '5 minutes' and ($(status) is null or status = $(status))
          and location <-> here <= 2000
        order by location <-> here, driver_id
        limit $(limit)`,
      { status: status ?? null, limit },
    );
    expect(found.map((row) => row.driver_id)).toEqual(expected.map((row) => row.driver_id));
    expect(found).toHaveLength(limit);
  });

  test('breaks a tie the same way each time, also at the limit', async () => {
    const ask = async (limit: number) =>
      (
        await nearbyDrivers(database.queries, {
          latitude: 37.98,
          longitude: 23.7001,
          radius: 1,
          status: 'ONLINE',
          limit,
          freshSince: fresh(),
        })
      ).map((row) => row.driver_id);
    expect(await ask(2)).toEqual(['driver-1000', 'driver-200']);
    expect(await ask(10)).toEqual(['driver-1000', 'driver-200', 'driver-30', 'driver-4']);
  });

  test('ends at the radius where nobody qualifies', async () => {
    const nobody = { radius: 5000, status: 'OFFLINE' as const, limit: 20, freshSince: fresh() };
    expect(await nearbyDrivers(database.queries, { ...ATHENS, ...nobody })).toEqual([]);
    expect(await nearbyDrivers(database.queries, { latitude: 37.98, longitude: 10, ...nobody })).toEqual([]);
  });
});

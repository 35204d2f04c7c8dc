import { token } from '../../support/platform.ts';
import { inTurn } from '../load/in-turn.ts';
import { Latencies, type Quantiles } from '../load/latencies.ts';
import type { Stage } from '../stage.ts';
import { withDatabase } from '../stored.ts';

export type NearbyResult = { drivers: number; perSecond: number; found: number; answer: Quantiles };

/** A city of 53 x 44 km, all drivers ONLINE and fresh. */
const DRIVERS = `
insert into driver_locations (driver_id, location, recorded_at, received_at, status)
select 'near-' || i,
       st_setsrid(st_makepoint(23.4 + random() * 0.6, 37.78 + random() * 0.4), 4326)::geography,
       now() + interval '1 minute', now(), 'ONLINE'
  from generate_series(1, $1::int) as i`;

const CLIENTS = 2;

/** The 20 nearest within 5 km of anywhere in the city, over REST. */
export async function runNearby(stage: Stage, drivers: number, requests: number): Promise<NearbyResult> {
  await withDatabase(stage.databaseUrl, async (client) => {
    await client.query(`delete from driver_locations where driver_id like 'near-%'`);
    await client.query(DRIVERS, [drivers]);
    await client.query('vacuum analyze driver_locations');
  });
  const headers = { authorization: `Bearer ${await token('OPERATOR', 'bench')}` };
  const answer = new Latencies();
  let found = 0;
  const ask = async (_: unknown, index: number) => {
    // Spread evenly, and the same in every run
    const latitude = 37.82 + ((index * 7919) % 1000) / 3125;
    const longitude = 23.45 + ((index * 104_729) % 1000) / 2000;
    const from = performance.now();
    const response = await fetch(
      `${stage.api.urls.rest}/v1/drivers/nearby?latitude=${latitude}&longitude=${longitude}&radius=5000&limit=20`,
      { headers },
    );
    const body = (await response.json()) as { items: unknown[] };
    if (!response.ok) throw new Error(`nearby: ${response.status} ${JSON.stringify(body)}`);
    answer.record(performance.now() - from);
    found += body.items.length;
  };
  // So that what is measured is neither the first plan nor a cold cache
  await inTurn(Array.from({ length: 200 }), CLIENTS, ask);
  const warm = answer.quantiles().count;
  const measured = new Latencies();
  found = 0;
  const begun = performance.now();
  await inTurn(Array.from({ length: requests }), CLIENTS, async (_, index) => {
    const from = performance.now();
    await ask(_, index + warm);
    measured.record(performance.now() - from);
  });
  const perSecond = requests / ((performance.now() - begun) / 1000);
  return { drivers, perSecond, found: found / requests, answer: measured.quantiles() };
}

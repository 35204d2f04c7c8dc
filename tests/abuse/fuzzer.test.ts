import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { Bystander } from '../support/bystander.ts';
import { COLLECT_ON_SIGNAL, heldMemory } from '../support/chaos/memory.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { FuzzCampaign } from '../support/fuzz/campaign.ts';
import { metricsOf } from '../support/fuzz/metrics.ts';
import { eventually } from '../support/redis.ts';

/** FUZZ_SEED repeats a run, as far as the machine does; FUZZ_PACKETS makes it longer. */
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const PACKETS = Number(process.env.FUZZ_PACKETS ?? 100_000);

/** Before memory is looked at: what is compiled and cached when it is used for the first time is there then. */
const WARM_UP = 8000;

/** MiB. What is compiled later, and what is on its way. A hundred bytes that stayed of each packet would be more. */
const MEMORY_ALLOWANCE = 8;

let fleet: Fleet;
let bystander: Bystander;

beforeAll(async () => {
  fleet = await startFleet({ ...COLLECT_ON_SIGNAL });
  bystander = await Bystander.beside(fleet, { pauseMs: 100 });
});
afterAll(() => fleet?.stop());

const openConnections = async () => (await metricsOf(fleet.platform)).sum('fleetcast_connections');
const startTime = async () => (await metricsOf(fleet.platform)).sum('fleetcast_process_start_time_seconds');

/** MiB that the process holds, once what was begun has ended. */
async function memory(): Promise<number> {
  const metrics = await metricsOf(fleet.platform);
  const external = metrics.sum('fleetcast_nodejs_external_memory_bytes') / 2 ** 20;
  return (await heldMemory(fleet.platform)) + external;
}

async function driversWithPositions(): Promise<string[]> {
  const database = new Client({ connectionString: fleet.databaseUrl });
  await database.connect();
  try {
    const { rows } = await database.query<{ driver_id: string }>(
      'select driver_id from location_history union select driver_id from driver_locations',
    );
    return rows.map(({ driver_id }) => driver_id);
  } finally {
    await database.end();
  }
}

test(`${PACKETS} mutated packets disturb nobody (FUZZ_SEED=${SEED})`, async () => {
  const [started, connections] = [await startTime(), await openConnections()];
  const { driverId, riderId, tripId } = bystander;
  const campaign = await FuzzCampaign.plan(SEED, fleet.platform.ports, { driverId, riderId, tripId });
  await campaign.run(Math.min(WARM_UP, PACKETS));
  await bystander.expectUndisturbed();
  await eventually(openConnections, (count) => count === connections);
  const held = await memory();

  await campaign.run(PACKETS);
  process.stdout.write(`${campaign.summary()}\n`);
  expect(campaign.tally.packets).toBeGreaterThanOrEqual(PACKETS);

  await bystander.end();
  // Its own two have gone
  await eventually(openConnections, (count) => count === connections - 2);
  await eventually(memory, (now) => now < held + MEMORY_ALLOWANCE);
  expect(fleet.platform.process.exitCode).toBeNull();
  expect(await startTime()).toBe(started);
  const grave = /"level":[56]0|uncaught|unhandled/i;
  expect(fleet.platform.output.filter((line) => grave.test(line))).toEqual([]);
  const allowed = [driverId, ...campaign.drivers];
  expect((await driversWithPositions()).filter((id) => !allowed.includes(id))).toEqual([]);
}, 300_000);

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { token } from '../../support/platform.ts';
import { type Measured, measure } from '../generator.ts';
import type { Convoy } from '../load/plan.ts';
import type { Stage } from '../stage.ts';
import { countStored, type Stored, timesToDatabase, withDatabase } from '../stored.ts';
import { bookTrips } from '../trips.ts';

export type SteadyOptions = {
  pairs: number;
  rate: number;
  seconds: number;
  warmUpSeconds: number;
  ridersOver: 'TCP' | 'WEBSOCKET';
};

export type SteadyResult = Measured & { stored: Stored };

const SETTLE_MS = 20_000;
/** Longest for what is acknowledged to be in the database. */
const STORED_WITHIN_MS = 30_000;

/** N drivers at a steady rate, each followed by the rider of its trip. */
export async function runSteady(stage: Stage, options: SteadyOptions): Promise<SteadyResult> {
  const prefix = `s${randomBytes(3).toString('hex')}`;
  const { brokers, databaseUrl, api } = stage;
  const convoys = await convoysOf(api.urls.rest, options.pairs, prefix);
  const measured = await measure(
    {
      host: '127.0.0.1',
      mqttPorts: brokers.map(({ ports }) => ports.mqtt),
      wsPorts: options.ridersOver === 'WEBSOCKET' ? brokers.map(({ ports }) => ports.ws) : [],
      convoys,
      qos: 1,
      rate: options.rate,
      warmUpSeconds: options.warmUpSeconds,
      seconds: options.seconds,
      settleMs: SETTLE_MS,
    },
    stage.meters,
  );
  const stored = await withDatabase(databaseUrl, async (client): Promise<Stored> => {
    let count = 0;
    for (const end = Date.now() + STORED_WITHIN_MS; Date.now() < end; await sleep(200)) {
      count = await countStored(client, prefix);
      if (count >= measured.load.sentInAll) break;
    }
    const toDatabase = stage.tellsCommitTimes
      ? await timesToDatabase(client, measured.load, prefix)
      : undefined;
    return { count, ...(toDatabase === undefined ? {} : { toDatabase }) };
  });
  return { ...measured, stored };
}

async function convoysOf(restUrl: string, count: number, prefix: string): Promise<Convoy[]> {
  const booked = await bookTrips(restUrl, count, prefix);
  return Promise.all(
    booked.map(async ({ driverId, riderId, tripId }) => ({
      driver: {
        clientId: driverId,
        password: await token('DRIVER', driverId),
        topic: `drivers/${driverId}/location`,
      },
      followers: [
        {
          clientId: riderId,
          password: await token('RIDER', riderId),
          filter: `trips/${tripId}/location`,
          qos: 0 as const,
        },
      ],
    })),
  );
}

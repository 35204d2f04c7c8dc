import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Client, Subscription } from 'aedes';
import { newSession, type SessionClient } from '../../broker/session.ts';
import { createSnapshots } from '../../broker/snapshot.ts';
import { createSubscribeHandler, createTripSubscriptions } from '../../broker/subscribe.ts';
import { TripWatch } from '../../broker/trip-watch.ts';
import type { Identity } from '../../shared/auth/identity.ts';
import { readConfig } from '../../shared/config.ts';
import { createLogger } from '../../shared/telemetry/log.ts';
import type { TripStatusMessage } from '../../shared/trips/trip.ts';

const tripId = '00000000-0000-4000-8000-000000000001';
const topic = `trips/${tripId}/status`;
const log = createLogger('silent');

const message = (version: number): TripStatusMessage => ({
  tripId,
  status: 'PENDING',
  previous: null,
  version,
  at: '2026-01-01T00:00:00.000Z',
  driverId: 'bob',
});

let watch: TripWatch;
let grant: ReturnType<typeof createSubscribeHandler>;
let snapshots: ReturnType<typeof createSnapshots>;
/** What the rider was sent. */
let versions: number[];
let rider: SessionClient;

beforeEach(() => {
  const state = {
    id: tripId,
    riderId: 'ann',
    driverId: 'bob',
    status: 'PENDING' as const,
    messages: [message(2)],
  };
  watch = new TripWatch({ find: async () => [state], afterRestart: () => false });
  grant = createSubscribeHandler(
    { subscribe: createTripSubscriptions(watch) },
    readConfig({}).mqtt.limits,
    log,
  );
  snapshots = createSnapshots(watch, () => undefined, log);
  versions = [];
  const identity: Identity = { sub: 'ann', role: 'RIDER', expiresAt: Number.MAX_SAFE_INTEGER, trips: [] };
  rider = {
    id: 'ann',
    session: newSession(identity, 'TCP', false),
    connackSent: true,
    closed: false,
    subscriptions: {},
    deliverQoS({ payload }: { payload: Buffer }, done: () => void) {
      versions.push((JSON.parse(payload.toString()) as TripStatusMessage).version);
      done();
    },
  } as unknown as SessionClient;
});

/** Aedes asks first, stores what is granted, and tells of the SUBSCRIBE after that: meanwhile anything can happen. */
async function granted(filter: string): Promise<() => void> {
  const subscription = await new Promise<Subscription | null>((resolve, reject) =>
    grant(rider as Client, { topic: filter, qos: 1 } as Subscription, (error, result) =>
      error ? reject(error) : resolve(result ?? null),
    ),
  );
  if (subscription === null) throw new Error(`${filter} was refused`);
  return () => snapshots.subscribed([subscription], rider);
}

describe('of two SUBSCRIBEs under way while the trip changes', () => {
  test.each([
    ['the same filter', topic, topic],
    ['two filters', topic, `trips/${tripId}/#`],
  ])('by %s, the second snapshot does not go back behind the first', async (_, one, other) => {
    const first = await granted(one);
    const second = await granted(other);
    watch.apply(message(3));
    first();
    expect(versions).toEqual([2, 3]);
    second();
    expect(versions).toEqual([2, 3, 3]);
  });

  test('the second snapshot has what came between the two', async () => {
    const first = await granted(topic);
    const second = await granted(topic);
    first();
    watch.apply(message(3));
    watch.apply(message(4));
    second();
    expect(versions).toEqual([2, 2, 3, 4]);
  });
});

test('a SUBSCRIBE that is sent again later is answered with where the trip stands', async () => {
  (await granted(topic))();
  watch.apply(message(3));
  (await granted(topic))();
  expect(versions).toEqual([2, 3]);
});

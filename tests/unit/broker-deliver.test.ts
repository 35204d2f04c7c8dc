import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { AedesPublishPacket, Client } from 'aedes';
import { createDeliverHandler } from '../../broker/deliver.ts';
import { newSession, type SessionClient } from '../../broker/session.ts';
import { WITHHELD } from '../../broker/session-queue.ts';
import { WAITED } from '../../broker/take-up.ts';
import { createTripDeliveries } from '../../broker/trip-deliveries.ts';
import { TripWatch } from '../../broker/trip-watch.ts';
import type { Identity } from '../../shared/auth/identity.ts';
import { readConfig } from '../../shared/config.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';

const metrics = createMetrics();
const watch = new TripWatch({ find: async () => [], afterRestart: () => false });
const { limits } = readConfig({}).mqtt;
const forward = createDeliverHandler(createTripDeliveries(watch), limits, metrics);

const operator: Identity = {
  sub: 'operator-1',
  role: 'OPERATOR',
  expiresAt: Number.MAX_SAFE_INTEGER,
  trips: [],
};

/** As much of a client as delivery looks at. */
function client(
  options: { filters?: Record<string, 0 | 1 | 2>; waiting?: number; identity?: Identity } = {},
) {
  const { filters = {}, waiting = 0, identity = operator } = options;
  const subscriptions = Object.fromEntries(Object.entries(filters).map(([filter, qos]) => [filter, { qos }]));
  const close = jest.fn();
  const made = {
    session: newSession(identity, 'TCP', false),
    conn: { writableLength: waiting },
    connected: true,
    connackSent: true,
    closed: false,
    subscriptions,
    duplicates: {} as Record<string, number>,
    close,
  };
  return { client: made as unknown as Client, close, duplicates: made.duplicates };
}

const packet = (topic: string, qos: 0 | 1 | 2, retain = false): AedesPublishPacket => ({
  cmd: 'publish',
  topic,
  payload: Buffer.from('{}'),
  qos,
  retain,
  dup: false,
  brokerId: 'publisher',
  brokerCounter: 7,
});

const status = 'drivers/driver-1/status';

describe('delivery', () => {
  test.each([
    [{ 'drivers/+/status': 1 }, 1],
    [{ 'drivers/+/status': 2 }, 2],
    [{ 'drivers/+/status': 1, [status]: 2 }, 2],
    [{ 'drivers/+/location': 2, 'drivers/+/status': 1 }, 1],
    // Just unsubscribed, and perhaps queued: still to be acknowledged
    [{}, 1],
  ] as [Record<string, 0 | 1 | 2>, number][])('of a status to %j is at QoS %i', (filters, qos) => {
    expect(forward(client({ filters }).client, packet(status, 2))).toMatchObject({ qos });
  });

  test('of a retained status may be at QoS 0', () => {
    const filters = { 'drivers/+/status': 0 } as const;
    expect(forward(client({ filters }).client, packet(status, 2, true))).toMatchObject({ qos: 0 });
  });

  test('of errors of somebody else does not happen, whatever the filter', () => {
    const filters = { '#': 2 } as const;
    expect(forward(client({ filters }).client, packet('drivers/driver-1/errors', 2))).toBeNull();
  });

  test('is remembered, so that what comes from a queue does not come again live', () => {
    const reader = client({ filters: { [status]: 1 } });
    forward(reader.client, packet(status, 2));
    expect(reader.duplicates).toEqual({ publisher: 7 });
  });
});

describe('the statuses of a trip that is followed', () => {
  const tripId = '00000000-0000-4000-8000-000000000001';
  const change = (version: number) => ({
    tripId,
    status: 'PENDING' as const,
    previous: null,
    version,
    at: '2026-01-01T00:00:00.000Z',
    driverId: 'bob',
  });
  const told = (version: number) => ({
    ...packet(`trips/${tripId}/status`, 2),
    payload: Buffer.from(JSON.stringify(change(version))),
  });
  const isWithheld = (message: object) => WITHHELD in message;
  let trips: TripWatch;
  let deliver: ReturnType<typeof createDeliverHandler>;
  let reader: SessionClient;

  beforeEach(async () => {
    const state = {
      id: tripId,
      riderId: 'ann',
      driverId: 'bob',
      status: 'PENDING' as const,
      messages: [change(2)],
    };
    trips = new TripWatch({ find: async () => [state], afterRestart: () => false });
    deliver = createDeliverHandler(createTripDeliveries(trips), limits, metrics);
    const ann: Identity = { ...operator, sub: 'ann', role: 'RIDER' };
    reader = client({ filters: { [`trips/${tripId}/status`]: 1 }, identity: ann })
      .client as unknown as SessionClient;
    await trips.follow(reader, tripId);
    reader.session?.trips.add(tripId);
  });

  const forwards = (message: ReturnType<typeof told>) =>
    deliver(reader as unknown as Client, message) !== null;

  test('come once, however often they are published', () => {
    expect(forwards(told(3))).toBe(true);
    const again = told(3);
    expect([forwards(again), isWithheld(again)]).toEqual([false, true]);
    expect(forwards(told(4))).toBe(true);
  });

  test('come after one that was lost before them, and until then stay in the queue of their session', () => {
    const early = told(4);
    expect([forwards(early), isWithheld(early)]).toEqual([false, false]);
    trips.fill(tripId, [change(3), change(4)]);
    expect(forwards({ ...told(3), [WAITED]: true } as ReturnType<typeof told>)).toBe(true);
    expect(forwards({ ...told(4), [WAITED]: true } as ReturnType<typeof told>)).toBe(true);
    expect(forwards(told(5))).toBe(true);
  });

  test('come after what a client that is caught up is still being sent', () => {
    reader.session?.behind.add(tripId);
    const live = told(3);
    expect([forwards(live), isWithheld(live)]).toEqual([false, false]);
    reader.session?.behind.delete(tripId);
    expect(forwards(told(3))).toBe(true);
  });

  test('that waited for one client move nothing on for the others', () => {
    expect(forwards({ ...told(3), [WAITED]: true } as ReturnType<typeof told>)).toBe(true);
    expect(trips.version(tripId)).toBe(2);
  });

  test('that waited are not for who is no party of the trip by what they say', async () => {
    const bob: Identity = { ...operator, sub: 'bob', role: 'DRIVER' };
    const driver = client({ filters: { [`trips/${tripId}/status`]: 1 }, identity: bob });
    const given = Buffer.from(JSON.stringify({ ...change(3), driverId: 'carl' }));
    const waited = { ...told(3), payload: given, [WAITED]: true } as ReturnType<typeof told>;
    expect(deliver(driver.client, waited)).toBeNull();
  });
});

describe('a reader that does not keep up', () => {
  test('misses positions from a bound on, and no statuses', () => {
    const slow = client({ filters: { 'drivers/#': 1 }, waiting: limits.slowReaderBytes + 1 });
    expect(forward(slow.client, packet('drivers/driver-1/location', 0))).toBeNull();
    expect(forward(slow.client, packet(status, 2))).not.toBeNull();
    const fast = client({ filters: { 'drivers/#': 1 }, waiting: limits.slowReaderBytes });
    expect(forward(fast.client, packet('drivers/driver-1/location', 0))).not.toBeNull();
  });

  test('is closed from a higher bound on', async () => {
    const frozen = client({ filters: { 'drivers/#': 1 }, waiting: limits.frozenReaderBytes + 1 });
    expect(forward(frozen.client, packet(status, 2))).toBeNull();
    await new Promise((resolve) => setImmediate(resolve));
    expect(frozen.close).toHaveBeenCalledTimes(1);
    const text = await metrics.registry.metrics();
    expect(text).toContain('fleetcast_messages_dropped_total{reason="frozen_reader"} 1');
  });
});

import { describe, expect, jest, test } from '@jest/globals';
import type { AedesPublishPacket, Client } from 'aedes';
import { createDeliverHandler } from '../../broker/deliver.ts';
import { limits } from '../../broker/limits.ts';
import { newSession } from '../../broker/session.ts';
import { TripWatch } from '../../broker/trip-watch.ts';
import type { Identity } from '../../shared/auth/identity.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';

const metrics = createMetrics();
const watch = new TripWatch({ find: async () => [], afterRestart: () => false });
const forward = createDeliverHandler(watch, metrics);

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

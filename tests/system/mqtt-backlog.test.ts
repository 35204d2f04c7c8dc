import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { errorOf, type Fleet, iso, json, position, startFleet } from '../support/fleet.ts';
import type { TestClient } from '../support/mqtt-client.ts';

let fleet: Fleet;
let operator: TestClient;

beforeAll(async () => {
  // As it is out of the box: a backlog is not held to the interval of live positions
  fleet = await startFleet({ LOCATION_MIN_INTERVAL_MS: '5000', BACKLOG_MAX_PER_MINUTE: '6000' });
  operator = await fleet.subscriber('OPERATOR', 'operator-1', 'drivers/+/location');
});
afterAll(() => fleet?.stop());

const backlogOf = (driver: string) => `drivers/${driver}/locations`;
const liveOf = (driver: string) => `drivers/${driver}/location`;

const driver = (id: string): Promise<TestClient> => fleet.subscriber('DRIVER', id, `drivers/${id}/errors`, 1);

/** `count` positions a second apart, the last one a minute ago; `speed` numbers them. */
const track = (count: number) => {
  const end = Date.now() - 60_000;
  return Array.from({ length: count }, (_, index) =>
    position({ speed: index, recordedAt: iso(end - (count - 1 - index) * 1000) }),
  );
};

const speeds = (items: readonly unknown[]) => items.map((item) => (item as { speed?: number }).speed);
const delivered = (id: string) =>
  speeds(operator.received.filter(({ topic }) => topic === liveOf(id)).map(({ payload }) => payload));

/** A live position that is newer than all: what was delivered before it, was delivered. */
async function sendMarker(client: TestClient, id: string): Promise<void> {
  await client.client.publishAsync(liveOf(id), json(position({ speed: 1e6 })), { qos: 1 });
  await operator.next(
    ({ topic, payload }) => topic === liveOf(id) && (payload as { speed?: number }).speed === 1e6,
  );
}

describe('a backlog', () => {
  test.each([1, 500])('of %i positions is stored whole; subscribers get the newest alone', async (count) => {
    const id = `whole-${count}`;
    const client = await driver(id);
    const batch = track(count);
    await client.client.publishAsync(backlogOf(id), json(batch), { qos: 1 });
    const stored = await fleet.history(id);
    expect(stored).toEqual(batch.map((item) => ({ ...item, driverId: id, receivedAt: expect.any(String) })));
    await sendMarker(client, id);
    expect(delivered(id)).toEqual([count - 1, 1e6]);
    expect(client.received).toEqual([]);
  });

  test('may come in any order, at any QoS, and as often as it likes', async () => {
    const client = await driver('any-order');
    const batch = track(9);
    const shuffled = [4, 8, 0, 7, 2, 2, 6, 1, 5, 3].map((index) => batch[index]);
    for (const qos of [0, 1, 2] as const)
      await client.client.publishAsync(backlogOf('any-order'), json(shuffled), { qos });
    expect(speeds(await fleet.history('any-order'))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    await sendMarker(client, 'any-order');
    expect(delivered('any-order')).toEqual([8, 1e6]);
  });

  test('that is older than what subscribers have is stored and not delivered', async () => {
    const client = await driver('older-1');
    await client.client.publishAsync(liveOf('older-1'), json(position({ speed: 100 })), { qos: 1 });
    await client.client.publishAsync(backlogOf('older-1'), json(track(3)), { qos: 1 });
    const newest = position({ speed: 200, recordedAt: Date.now() + 1000 });
    await client.client.publishAsync(backlogOf('older-1'), json([newest]), { qos: 1 });
    await operator.next(
      ({ topic, payload }) => topic === liveOf('older-1') && (payload as { speed: number }).speed === 200,
    );
    expect(delivered('older-1')).toEqual([100, 200]);
    expect(speeds(await fleet.history('older-1'))).toEqual([0, 1, 2, 100, 200]);
  });

  test('with bad positions in it is stored without them, and they are reported', async () => {
    const client = await driver('mixed-1');
    const batch: unknown[] = track(6);
    batch[1] = { ...(batch[1] as object), latitude: 91 };
    batch[3] = position({ recordedAt: '1970-01-01T00:00:00Z' });
    batch[5] = 'nonsense';
    await client.client.publishAsync(backlogOf('mixed-1'), json(batch), { qos: 1 });
    expect(speeds(await fleet.history('mixed-1'))).toEqual([0, 2, 4]);
    const tooOld = await client.next((message) => errorOf(message).code === 'TOO_OLD');
    const invalid = await client.next((message) => errorOf(message).code === 'INVALID_PAYLOAD');
    for (const [report, indices] of [
      [tooOld, [3]],
      [invalid, [1, 5]],
    ] as const) {
      expect(errorOf(report)).toMatchObject({ topic: backlogOf('mixed-1'), at: expect.any(String) });
      for (const index of indices) expect(errorOf(report).message).toContain(`position ${index}`);
    }
    await sendMarker(client, 'mixed-1');
    expect(delivered('mixed-1')).toEqual([4, 1e6]);
  });

  test('of which nothing is good stores nothing', async () => {
    const client = await driver('bad-1');
    await client.client.publishAsync(backlogOf('bad-1'), json([{}, { latitude: 1 }]), { qos: 1 });
    expect(errorOf(await client.next(() => true)).code).toBe('INVALID_PAYLOAD');
    await sendMarker(client, 'bad-1');
    expect(delivered('bad-1')).toEqual([1e6]);
    expect(await fleet.history('bad-1')).toHaveLength(1);
  });

  test.each([
    ['0 positions', () => '[]'],
    [
      '501 positions',
      () =>
        json(track(501).map(({ latitude, longitude, recordedAt }) => ({ latitude, longitude, recordedAt }))),
    ],
    ['one position that is no array', () => json(position())],
    ['an object with positions', () => json({ positions: track(2) })],
    ['no JSON', () => 'x'],
    ['nothing', () => ''],
  ])('of %s is refused as a whole', async (name, payload) => {
    const id = `whole-refused-${name.replace(/\W/g, '')}`;
    const client = await driver(id);
    await client.client.publishAsync(backlogOf(id), payload(), { qos: 1 });
    expect(errorOf(await client.next(() => true))).toMatchObject({
      code: 'INVALID_PAYLOAD',
      topic: backlogOf(id),
    });
    await sendMarker(client, id);
    expect(delivered(id)).toEqual([1e6]);
    expect(await fleet.history(id)).toHaveLength(1);
  });

  test('without times is stored whole, each position at a time of its own, in order', async () => {
    const client = await driver('timeless-1');
    const batch = Array.from({ length: 50 }, (_, speed) => position({ speed }));
    await client.client.publishAsync(backlogOf('timeless-1'), json(batch), { qos: 1 });
    const stored = await fleet.history('timeless-1');
    expect(speeds(stored)).toEqual(batch.map(({ speed }) => speed));
    expect(new Set(stored.map(({ recordedAt }) => recordedAt)).size).toBe(50);
  });
});

describe('over the limit', () => {
  test('a live position is RATE_LIMITED, with the time to wait; not stored, not delivered', async () => {
    const client = await driver('fast-1');
    for (const speed of [1, 2])
      await client.client.publishAsync(liveOf('fast-1'), json(position({ speed })), { qos: 1 });
    const report = errorOf(await client.next(() => true));
    expect(report).toEqual({
      code: 'RATE_LIMITED',
      message: expect.any(String),
      topic: liveOf('fast-1'),
      at: expect.any(String),
      retryAfterMs: expect.any(Number),
    });
    expect(report.retryAfterMs).toBeGreaterThan(0);
    expect(report.retryAfterMs).toBeLessThanOrEqual(5000);
    // A backlog has a budget of its own, and is the marker here
    const marker = position({ speed: 3, recordedAt: Date.now() + 1000 });
    await client.client.publishAsync(backlogOf('fast-1'), json([marker]), { qos: 1 });
    await operator.next(
      ({ topic, payload }) => topic === liveOf('fast-1') && (payload as { speed: number }).speed === 3,
    );
    expect(delivered('fast-1')).toEqual([1, 3]);
    expect(speeds(await fleet.history('fast-1'))).toEqual([1, 3]);
  });

  test('a refused position does not use up the interval', async () => {
    const client = await driver('fast-2');
    await client.client.publishAsync(liveOf('fast-2'), json({ latitude: 91 }), { qos: 1 });
    await client.client.publishAsync(liveOf('fast-2'), json(position({ speed: 1 })), { qos: 1 });
    expect(speeds(await fleet.history('fast-2'))).toEqual([1]);
  });

  test('one driver has no part in the limit of another', async () => {
    const service = await fleet.subscriber('SERVICE', 'service-1', 'drivers/service-1/errors');
    for (const id of ['fast-3', 'fast-4', 'fast-5'])
      await service.client.publishAsync(liveOf(id), json(position()), { qos: 1 });
    for (const id of ['fast-3', 'fast-4', 'fast-5']) expect(await fleet.history(id)).toHaveLength(1);
    expect(service.received).toEqual([]);
  });

  test('a backlog is RATE_LIMITED as a whole; a position resent is not', async () => {
    const client = await driver('fast-6');
    const recordedAt = Date.now() - 1000;
    for (let count = 0; count < 3; count++)
      await client.client.publishAsync(liveOf('fast-6'), json(position({ recordedAt })), { qos: 1 });
    expect(client.received).toEqual([]);
    const batch = track(500);
    for (let count = 0; count < 20; count++)
      await client.client.publishAsync(backlogOf('fast-6'), json(batch), { qos: 1 });
    expect(errorOf(await client.next(() => true))).toMatchObject({
      code: 'RATE_LIMITED',
      topic: backlogOf('fast-6'),
      retryAfterMs: expect.any(Number),
    });
    expect(await fleet.history('fast-6')).toHaveLength(501);
  });
});

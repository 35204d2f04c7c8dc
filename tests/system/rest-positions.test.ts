import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { type Platform, startPlatform, token } from '../support/platform.ts';
import { caller, expectProblem, wrongFields } from '../support/rest.ts';

let database: TestDatabase;
let platform: Platform;
let service: ReturnType<typeof caller>;

beforeAll(async () => {
  database = await createMigratedDatabase();
  platform = await startPlatform({ DATABASE_URL: database.url });
  service = caller(platform, await token('SERVICE', 'service-1'));
});
afterAll(async () => {
  await platform?.stop();
  await database?.drop();
});

const place = { latitude: 48.2, longitude: 16.37 };
const iso = (time: number) => new Date(time).toISOString();
const send = (driver: string, body: unknown) => service.post(`/v1/drivers/${driver}/location`, body);
const sendBatch = (driver: string, body: unknown) => service.post(`/v1/drivers/${driver}/locations`, body);
const latest = (driver: string) => service.get(`/v1/drivers/${driver}/location`);

async function stored(driver: string): Promise<Record<string, unknown>[]> {
  const { body } = await service.get(`/v1/drivers/${driver}/history?limit=1000`);
  return (body as { items: Record<string, unknown>[] }).items;
}

describe('a position', () => {
  test('is 202, and then the latest, with its age and status', async () => {
    const recordedAt = iso(Date.now() - 30_000);
    const sent = { ...place, bearing: 90, speed: 12.5, accuracy: 5, altitude: -10, battery: 80, recordedAt };
    expect((await send('latest-1', { ...sent, somethingElse: 1 })).status).toBe(202);
    const { status, body } = await latest('latest-1');
    expect({ status, body }).toEqual({
      status: 200,
      body: {
        ...sent,
        driverId: 'latest-1',
        receivedAt: expect.any(String),
        status: 'ONLINE',
        ageSeconds: expect.any(Number),
      },
    });
    const { ageSeconds } = body as { ageSeconds: number };
    expect(ageSeconds).toBeGreaterThanOrEqual(29.9);
    expect(ageSeconds).toBeLessThan(90);
  });

  test('of which there is none yet is 404', async () => {
    expectProblem(await latest('nobody'), 404, 'NOT_FOUND');
  });

  test('sent again is 202 and stored once, however its time is written', async () => {
    const time = Date.now() - 10_000;
    const [date, clock] = iso(time + 2 * 3_600_000).split('T');
    for (const recordedAt of [time, iso(time), `${date}T${clock?.replace('Z', '+02:00')}`])
      expect((await send('again-1', { ...place, recordedAt })).status).toBe(202);
    expect(await stored('again-1')).toEqual([
      { ...place, driverId: 'again-1', recordedAt: iso(time), receivedAt: expect.any(String) },
    ]);
  });

  test('without a time of its own is never taken for another', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => send('timeless-1', place)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
    expect(await stored('timeless-1')).toHaveLength(20);
  });

  test('that is older than the latest goes into the history and leaves the latest alone', async () => {
    const now = Date.now();
    await send('older-1', { ...place, recordedAt: now });
    await send('older-1', { ...place, speed: 3, recordedAt: now - 60_000 });
    expect((await latest('older-1')).body).toMatchObject({ recordedAt: iso(now) });
    expect(await stored('older-1')).toHaveLength(2);
  });

  test.each([
    ['an hour ahead', 3_600_000, 'IN_FUTURE'],
    ['in the year 2100', Date.UTC(2100, 0) - Date.now(), 'IN_FUTURE'],
    ['eight days old', -8 * 86_400_000, 'TOO_OLD'],
    ['of 1970', -Date.now(), 'TOO_OLD'],
  ])('%s is refused and not stored', async (_name, offset, code) => {
    const problem = expectProblem(
      await send(`time-${code}`, { ...place, recordedAt: Date.now() + offset }),
      400,
      code,
    );
    expect(wrongFields(problem)).toEqual(['/recordedAt']);
    await send(`time-${code}`, { ...place, speed: 1 });
    const items = await stored(`time-${code}`);
    expect(items.filter(({ speed }) => speed === undefined)).toEqual([]);
  });

  test('of which much is wrong is refused with every field named', async () => {
    const problem = expectProblem(
      await send('wrong-1', {
        latitude: 91,
        bearing: 360,
        speed: -1,
        accuracy: '5',
        altitude: [1],
        battery: 101,
        recordedAt: 'yesterday',
      }),
      400,
      'INVALID_PAYLOAD',
    );
    expect(wrongFields(problem)).toEqual(
      ['accuracy', 'altitude', 'battery', 'bearing', 'latitude', 'longitude', 'recordedAt', 'speed'].map(
        (name) => `/${name}`,
      ),
    );
    expectProblem(await latest('wrong-1'), 404, 'NOT_FOUND');
  });

  test('reaches an operator over MQTT, with driverId and receivedAt', async () => {
    const operator = await connectClient(platform.urls.mqtt, await token('OPERATOR', 'operator-1'));
    try {
      await operator.client.subscribeAsync('drivers/+/location', { qos: 1 });
      const recordedAt = iso(Date.now());
      await send('seen-1', { ...place, recordedAt });
      const { topic, payload, qos } = await operator.next(({ topic }) => topic.includes('seen-1'));
      expect({ topic, payload, qos }).toEqual({
        topic: 'drivers/seen-1/location',
        payload: { ...place, recordedAt, driverId: 'seen-1', receivedAt: expect.any(String) },
        qos: 0,
      });
    } finally {
      await operator.end();
    }
  });
});

describe('a batch', () => {
  test('is counted: accepted, duplicates, and what was rejected by index and code', async () => {
    const now = Date.now();
    const at = (offset: number, more = {}) => ({ ...place, recordedAt: now + offset, ...more });
    await send('batch-1', at(-5000));
    const answer = await sendBatch('batch-1', [
      at(-3000),
      at(-4000),
      at(-5000),
      at(-1000, { latitude: 91 }),
      at(-4000),
      at(-8 * 86_400_000),
      at(3_600_000),
      null,
      at(-2000),
    ]);
    expect({ status: answer.status, body: answer.body }).toEqual({
      status: 202,
      body: {
        accepted: 3,
        duplicates: 2,
        rejected: [
          { index: 3, code: 'INVALID_PAYLOAD' },
          { index: 5, code: 'TOO_OLD' },
          { index: 6, code: 'IN_FUTURE' },
          { index: 7, code: 'INVALID_PAYLOAD' },
        ],
      },
    });
    expect((await stored('batch-1')).map(({ recordedAt }) => recordedAt)).toEqual(
      [-5000, -4000, -3000, -2000].map((offset) => iso(now + offset)),
    );
  });

  test('of 500 is taken, sent twice stored once', async () => {
    const now = Date.now();
    const batch = Array.from({ length: 500 }, (_, index) => ({
      ...place,
      bearing: 1.234567890123,
      speed: 12.345678901234,
      accuracy: 2.222222222222,
      recordedAt: iso(now - index * 1000),
    }));
    expect((await sendBatch('batch-500', batch)).body).toEqual({
      accepted: 500,
      duplicates: 0,
      rejected: [],
    });
    expect((await sendBatch('batch-500', batch)).body).toEqual({
      accepted: 0,
      duplicates: 500,
      rejected: [],
    });
    expect(await stored('batch-500')).toHaveLength(500);
  });

  test.each([
    ['of none', []],
    ['of 501', Array.from({ length: 501 }, () => place)],
    ['that is a position', place],
    ['that is a text', '"a"'],
  ])('%s is refused as a whole', async (_name, body) => {
    expectProblem(await sendBatch('batch-none', body), 400, 'INVALID_PAYLOAD');
    expectProblem(await latest('batch-none'), 404, 'NOT_FOUND');
  });

  test('goes to subscribers as its newest position alone', async () => {
    const operator = await connectClient(platform.urls.mqtt, await token('OPERATOR', 'operator-2'));
    try {
      await operator.client.subscribeAsync('drivers/batch-2/location');
      const now = Date.now();
      await sendBatch(
        'batch-2',
        [-3000, -1000, -2000].map((offset) => ({ ...place, recordedAt: now + offset })),
      );
      await send('batch-2', { ...place, recordedAt: now });
      await operator.next(({ payload }) => (payload as { recordedAt: string }).recordedAt === iso(now));
      expect(operator.received.map(({ payload }) => (payload as { recordedAt: string }).recordedAt)).toEqual(
        [-1000, 0].map((offset) => iso(now + offset)),
      );
    } finally {
      await operator.end();
    }
  });
});

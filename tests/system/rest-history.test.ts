import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
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

type Page = { items: { recordedAt: string; speed: number }[]; nextCursor: string | null };

/** The minute in which a position number N was recorded, N seconds into it. */
const start = Math.floor((Date.now() - 3_600_000) / 60_000) * 60_000;
const timeOf = (second: number) => start + second * 1000;
const iso = (time: number) => new Date(time).toISOString();

async function record(driver: string, seconds: readonly number[]): Promise<void> {
  const batch = seconds.map((second) => ({
    latitude: 48.2,
    longitude: 16.37,
    speed: second,
    recordedAt: timeOf(second),
  }));
  expect((await service.post(`/v1/drivers/${driver}/locations`, batch)).body).toEqual({
    accepted: seconds.length,
    duplicates: 0,
    rejected: [],
  });
}

function history(driver: string, query: Record<string, string | number> = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) parameters.set(name, String(value));
  return service.get(`/v1/drivers/${driver}/history?${parameters}`);
}

async function page(driver: string, query: Record<string, string | number> = {}): Promise<Page> {
  const { status, body } = await history(driver, query);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body as Page;
}

const secondsOf = ({ items }: Page) => items.map(({ speed }) => speed);
const upTo = (count: number) => Array.from({ length: count }, (_, second) => second);

describe('a history', () => {
  test('comes in the order of its recording, whatever the order of its arrival', async () => {
    await record('order-1', [3, 1, 4, 0, 5, 2]);
    expect(secondsOf(await page('order-1'))).toEqual(upTo(6));
  });

  test('that is empty is an empty list', async () => {
    expect(await page('nobody')).toEqual({ items: [], nextCursor: null });
  });

  test('comes in pages that end with null', async () => {
    await record('pages-1', upTo(25));
    const pages: number[][] = [];
    let cursor: string | null = '';
    while (cursor !== null && pages.length < 10) {
      const next: Page = await page('pages-1', { limit: 10, ...(cursor === '' ? {} : { cursor }) });
      pages.push(secondsOf(next));
      cursor = next.nextCursor;
    }
    expect(pages).toEqual([upTo(10), upTo(20).slice(10), upTo(25).slice(20)]);
  });

  test('whose last page is just full ends there', async () => {
    await record('full-1', upTo(4));
    const first = await page('full-1', { limit: 2 });
    const last = await page('full-1', { limit: 2, cursor: first.nextCursor ?? '' });
    expect([secondsOf(last), last.nextCursor]).toEqual([[2, 3], null]);
  });

  test('repeats and loses nothing while positions arrive, before and behind the cursor', async () => {
    await record('busy-1', [10, 20, 30, 40]);
    const first = await page('busy-1', { limit: 2 });
    await record('busy-1', [5, 15, 25, 45]);
    const second = await page('busy-1', { limit: 10, cursor: first.nextCursor ?? '' });
    expect([secondsOf(first), secondsOf(second)]).toEqual([
      [10, 20],
      [25, 30, 40, 45],
    ]);
  });

  test('is 100 positions a page unless said, and 1000 at most', async () => {
    await record('long-1', upTo(101));
    expect((await page('long-1')).items).toHaveLength(100);
    expect((await page('long-1', { limit: 1000 })).items).toHaveLength(101);
    expect((await page('long-1', { limit: 1 })).items).toHaveLength(1);
    for (const limit of ['-1', '0', '1001', '1e9', '1.5', 'abc', '', ' ', '0x10', 'NaN', 'null'])
      expect(
        wrongFields(expectProblem(await history('long-1', { limit }), 400, 'INVALID_PARAMETER')),
      ).toEqual(['limit']);
  });
});

describe('from and to', () => {
  beforeAll(() => record('times-1', upTo(6)));

  const offset = (time: number) => iso(time + 2 * 3_600_000).replace('Z', '+02:00');

  test.each([
    ['epoch milliseconds', String],
    ['ISO 8601', iso],
    ['ISO 8601 with another offset', offset],
  ])('are both included, as %s', async (_name, write: (time: number) => string) => {
    const query = { from: write(timeOf(1)), to: write(timeOf(3)) };
    expect(secondsOf(await page('times-1', query))).toEqual([1, 2, 3]);
    expect(secondsOf(await page('times-1', { from: write(timeOf(4)) }))).toEqual([4, 5]);
    expect(secondsOf(await page('times-1', { to: write(timeOf(1)) }))).toEqual([0, 1]);
    expect(
      secondsOf(await page('times-1', { from: write(timeOf(1) + 1), to: write(timeOf(3) - 1) })),
    ).toEqual([2]);
  });

  test('may have a plus that nobody encoded', async () => {
    const { body } = await service.get(
      `/v1/drivers/times-1/history?from=${offset(timeOf(1))}&to=${offset(timeOf(2))}`,
    );
    expect(secondsOf(body as Page)).toEqual([1, 2]);
  });

  test('the wrong way round hold nothing', async () => {
    expect(await page('times-1', { from: timeOf(3), to: timeOf(1) })).toEqual({
      items: [],
      nextCursor: null,
    });
  });

  test.each(['yesterday', '2026-02-30T00:00:00Z', '2026-11-23T17:30:00', '1e12', '-1', '99999999999999999'])(
    'are not %s',
    async (time) => {
      const problem = expectProblem(
        await history('times-1', { from: time, to: time }),
        400,
        'INVALID_PARAMETER',
      );
      expect(wrongFields(problem)).toEqual(['from', 'to']);
    },
  );
});

describe('a trip id in the query', () => {
  test('leaves out what belongs to no such trip', async () => {
    await record('trip-1', upTo(2));
    const tripId = '0197f9a0-0000-7000-8000-000000000000';
    expect(await page('trip-1', { tripId })).toEqual({ items: [], nextCursor: null });
  });

  test.each(["'; drop table location_history; --", 'abc', '../x'])(
    'that is none (%s) is refused',
    async (tripId) => {
      const problem = expectProblem(await history('trip-1', { tripId }), 400, 'INVALID_PARAMETER');
      expect(wrongFields(problem)).toEqual(['tripId']);
      expect(secondsOf(await page('trip-1'))).toEqual(upTo(2));
    },
  );
});

describe('a cursor', () => {
  let genuine: string;
  beforeAll(async () => {
    await record('cursor-1', upTo(4));
    await record('cursor-2', upTo(4));
    genuine = (await page('cursor-1', { limit: 2 })).nextCursor ?? '';
    expect(genuine).not.toBe('');
  });

  const refused = async (driver: string, query: Record<string, string>) => {
    const problem = expectProblem(await history(driver, query), 400, 'INVALID_PARAMETER');
    expect(wrongFields(problem)).toEqual(['cursor']);
  };

  test('is good for its own query', async () => {
    expect(secondsOf(await page('cursor-1', { cursor: genuine }))).toEqual([2, 3]);
  });

  test('of another driver or another query is refused', async () => {
    await refused('cursor-2', { cursor: genuine });
    await refused('cursor-1', { cursor: genuine, from: String(timeOf(0)) });
    await refused('cursor-1', { cursor: genuine, to: String(timeOf(9)) });
    await refused('cursor-1', { cursor: genuine, tripId: '0197f9a0-0000-7000-8000-000000000000' });
  });

  test.each([
    ['nothing', ''],
    ['garbage', '%%%'],
    ['a number', '5'],
    ['an object', Buffer.from('{}').toString('base64url')],
    ['null', Buffer.from('null').toString('base64url')],
    ['SQL', Buffer.from('["0) or true --","x"]').toString('base64url')],
    ['200 characters and more', 'A'.repeat(300)],
  ])('made of %s is refused', (_name, cursor) => refused('cursor-1', { cursor }));

  test('forged with its own mark makes no error of ours', async () => {
    const [, ...mark] = JSON.parse(Buffer.from(genuine, 'base64url').toString()) as unknown[];
    for (const place of [-1, -9e15, 9e15, 1.5, 1e308, '0', null, [], true]) {
      const cursor = Buffer.from(JSON.stringify([place, ...mark])).toString('base64url');
      await refused('cursor-1', { cursor });
    }
  });
});

test('every wrong parameter is named at once', async () => {
  const query = { from: 'x', to: 'y', tripId: 'z', limit: '0', format: 'xml' };
  const problem = expectProblem(await history('any', query), 400, 'INVALID_PARAMETER');
  expect(wrongFields(problem)).toEqual(['format', 'from', 'limit', 'to', 'tripId']);
});

import { beforeEach, expect, jest, test } from '@jest/globals';
import { createLogger } from '../../shared/telemetry/log.ts';
import { GapCloser } from '../../shared/trips/gap-closer.ts';
import type { KnownVersion } from '../../shared/trips/sql/status-messages-since.ts';
import type { TripStatusMessage } from '../../shared/trips/trip.ts';

const message = (tripId: string, version: number): TripStatusMessage => ({
  tripId,
  status: 'PENDING',
  previous: null,
  version,
  at: '2026-01-01T00:00:00.000Z',
  driverId: 'bob',
});

/** What followers have been told, by trip. */
let told: Map<string, number>;
/** Look-ups of the database, which answers when it is told to. */
let lookups: {
  known: readonly KnownVersion[];
  answer(found: TripStatusMessage[]): void;
  fail(error: Error): void;
}[];
let missed: [tripId: string, versions: number[]][];
let gaps: GapCloser;

beforeEach(() => {
  told = new Map();
  lookups = [];
  missed = [];
  gaps = new GapCloser(
    {
      since: (known) =>
        new Promise((resolve, reject) => {
          lookups.push({ known, answer: resolve, fail: reject });
        }),
    },
    {
      tripIds: () => told.keys(),
      toldOf: (tripId) => told.get(tripId),
      missed: (tripId, messages) => missed.push([tripId, messages.map(({ version }) => version)]),
    },
    createLogger('silent'),
  );
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function lookup(): Promise<(typeof lookups)[number]> {
  await turn();
  await turn();
  const next = lookups.shift();
  if (next === undefined) throw new Error('nothing was looked up');
  return next;
}

test('all trips are looked up together, each after what its followers have been told', async () => {
  told.set('a', 1).set('b', 3).set('c', 2);
  gaps.closeAll();
  gaps.close('a');
  const { known, answer } = await lookup();
  expect(known).toEqual([
    { tripId: 'a', version: 1 },
    { tripId: 'b', version: 3 },
    { tripId: 'c', version: 2 },
  ]);
  answer([message('a', 2), message('a', 3), message('c', 3)]);
  await turn();
  expect(missed).toEqual([
    ['a', [2, 3]],
    ['c', [3]],
  ]);
  await turn();
  expect(lookups).toEqual([]);
});

test('a gap that is noticed while one is looked up is looked up after it', async () => {
  told.set('a', 1);
  gaps.close('a');
  const first = await lookup();
  told.set('a', 2);
  gaps.close('a');
  await turn();
  expect(lookups).toEqual([]);
  first.answer([]);
  expect((await lookup()).known).toEqual([{ tripId: 'a', version: 2 }]);
});

test('what nobody follows any more is not looked up', async () => {
  gaps.close('gone');
  await turn();
  await turn();
  expect(lookups).toEqual([]);
});

test('thousands are looked up some hundred at a time', async () => {
  for (let trip = 0; trip < 1200; trip++) told.set(`trip-${trip}`, 1);
  gaps.closeAll();
  for (const expected of [500, 500, 200]) {
    const { known, answer } = await lookup();
    expect(known).toHaveLength(expected);
    answer([]);
  }
});

test('while the database is away it is tried again, from where the followers are by then', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  try {
    told.set('a', 1);
    gaps.close('a');
    (await lookup()).fail(new Error('the database is away'));
    await turn();
    expect(lookups).toEqual([]);
    told.set('a', 2);
    jest.advanceTimersByTime(2000);
    const { known, answer } = await lookup();
    expect(known).toEqual([{ tripId: 'a', version: 2 }]);
    answer([message('a', 3)]);
    await turn();
    expect(missed).toEqual([['a', [3]]]);
  } finally {
    jest.useRealTimers();
  }
});

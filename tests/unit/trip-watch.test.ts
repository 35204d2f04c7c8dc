import { beforeEach, describe, expect, test } from '@jest/globals';
import type { SessionClient } from '../../broker/session.ts';
import { TripWatch } from '../../broker/trip-watch.ts';
import { KeyedQueue } from '../../shared/trips/keyed-queue.ts';
import type { FollowState } from '../../shared/trips/sql/find-follow-states.ts';
import type { TripStatusMessage } from '../../shared/trips/trip.ts';
import type { TripStatus } from '../support/trips.ts';

const id = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
const client = () => ({}) as SessionClient;

const message = (
  version: number,
  status: TripStatus,
  driverId: string | null = 'bob',
): TripStatusMessage => ({
  tripId: id(1),
  status,
  previous: null,
  version,
  at: '2026-01-01T00:00:00.000Z',
  driverId,
});

const state = (tripId: string, ...messages: TripStatusMessage[]): FollowState => ({
  id: tripId,
  riderId: 'ann',
  driverId: 'bob',
  status: messages.at(-1)?.status ?? 'PENDING',
  messages: messages.length === 0 ? [message(1, 'PENDING')] : messages,
});

/** Look-ups of the database, which answers when it is told to. */
let lookups: { ids: string[]; answer(states: FollowState[]): void; fail(error: Error): void }[];
let restarted: boolean;
/** Trips of which a message was skipped. */
let skipped: string[];
let watch: TripWatch;

beforeEach(() => {
  lookups = [];
  restarted = false;
  skipped = [];
  watch = new TripWatch(
    {
      find: (ids) =>
        new Promise((resolve, reject) => {
          lookups.push({ ids: [...ids], answer: resolve, fail: reject });
        }),
      afterRestart: () => restarted,
    },
    (tripId) => skipped.push(tripId),
  );
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function lookup(): Promise<(typeof lookups)[number]> {
  await turn();
  const next = lookups.shift();
  if (next === undefined) throw new Error('nothing was looked up');
  return next;
}

test('all who come in one turn are looked up together, each trip once', async () => {
  const follows = [1, 2, 1, 3, 2].map((number) => watch.follow(client(), id(number)));
  const { ids, answer } = await lookup();
  expect(ids.sort()).toEqual([id(1), id(2), id(3)]);
  answer([state(id(1)), state(id(2))]);
  expect((await Promise.all(follows)).map((found) => found?.id)).toEqual([
    id(1),
    id(2),
    id(1),
    undefined,
    id(2),
  ]);
  expect(await watch.follow(client(), id(1))).toMatchObject({ id: id(1) });
  expect(lookups).toEqual([]);
});

test.each(['', 'trip-1', '+', '#', id(1).slice(1), `${id(1)}0`, 'A0000000-0000-4000-8000-000000000000'])(
  'nothing is looked up for what is no trip id: %j',
  async (text) => {
    expect(await watch.follow(client(), text)).toBeUndefined();
    await turn();
    expect(lookups).toEqual([]);
  },
);

describe('a trip that is watched', () => {
  const follow = async (...messages: TripStatusMessage[]) => {
    const follower = client();
    const following = watch.follow(follower, id(1));
    (await lookup()).answer([state(id(1), ...messages)]);
    await following;
    return follower;
  };

  test('is kept up by its messages, and no older one sets it back', async () => {
    await follow(message(2, 'EN_ROUTE'));
    watch.apply(message(3, 'ARRIVED'));
    watch.apply(message(2, 'EN_ROUTE'));
    expect(watch.state(id(1))).toMatchObject({ status: 'ARRIVED' });
    watch.apply(message(4, 'CANCELLED', 'carl'));
    expect(watch.state(id(1))).toMatchObject({ status: 'CANCELLED', driverId: 'carl' });
    expect(watch.firstMessages(id(1), 3).map(({ version }) => version)).toEqual([3, 4]);
  });

  test('has missed nothing of what came while it was looked up', async () => {
    const following = watch.follow(client(), id(1));
    const { answer } = await lookup();
    watch.apply(message(3, 'ARRIVED'));
    watch.hear(Buffer.from(JSON.stringify(message(4, 'IN_PROGRESS'))));
    answer([state(id(1), message(3, 'ARRIVED'))]);
    expect(await following).toMatchObject({ status: 'IN_PROGRESS' });
    expect(watch.firstMessages(id(1), 3).map(({ version }) => version)).toEqual([3, 4]);
  });

  test('is not moved on by a message that skips another, until what was lost is filled in', async () => {
    await follow(message(2, 'EN_ROUTE'));
    watch.apply(message(4, 'IN_PROGRESS'));
    expect([skipped, watch.version(id(1)), watch.state(id(1))?.status]).toEqual([[id(1)], 2, 'EN_ROUTE']);
    watch.fill(id(1), [message(3, 'ARRIVED'), message(4, 'IN_PROGRESS')]);
    expect([watch.version(id(1)), watch.state(id(1))?.status]).toEqual([4, 'IN_PROGRESS']);
    expect(watch.firstMessages(id(1), 2).map(({ version }) => version)).toEqual([2, 3, 4]);
  });

  test('has of what is filled in only what has not come meanwhile', async () => {
    await follow(message(2, 'EN_ROUTE'));
    watch.apply(message(3, 'ARRIVED'));
    watch.fill(id(1), [message(3, 'ARRIVED'), message(4, 'IN_PROGRESS')]);
    watch.apply(message(4, 'IN_PROGRESS'));
    watch.fill(id(1), [message(3, 'ARRIVED')]);
    watch.apply(message(5, 'COMPLETED'));
    expect(watch.firstMessages(id(1), 0).map(({ version }) => version)).toEqual([2, 3, 4, 5]);
    expect(skipped).toEqual([]);
  });

  test('is not moved on by what waited for one client alone', async () => {
    await follow(message(2, 'EN_ROUTE'));
    expect(watch.read(Buffer.from(JSON.stringify(message(3, 'ARRIVED'))))).toMatchObject({ version: 3 });
    expect(watch.version(id(1))).toBe(2);
  });

  test('is shown with its latest status, and after a restart with all that may have been missed', async () => {
    await follow(message(2, 'EN_ROUTE'), message(3, 'ARRIVED'));
    expect(watch.firstMessages(id(1), 3).map(({ version }) => version)).toEqual([3]);
    restarted = true;
    expect(watch.firstMessages(id(1), 3).map(({ version }) => version)).toEqual([2, 3]);
  });

  test('is forgotten with its last follower', async () => {
    const first = await follow();
    const second = client();
    await watch.follow(second, id(1));
    expect(watch.followers(id(1))).toEqual(new Set([first, second]));
    watch.unfollow(first, id(1));
    expect(watch.state(id(1))).toBeDefined();
    watch.unfollow(second, id(1));
    expect([watch.state(id(1)), watch.followers(id(1)).size]).toEqual([undefined, 0]);
    watch.apply(message(2, 'EN_ROUTE'));
    expect(watch.state(id(1))).toBeUndefined();
  });
});

test('a look-up that fails fails for those who asked, and the next one asks again', async () => {
  const follows = [client(), client()].map((one) => watch.follow(one, id(1)));
  (await lookup()).fail(new Error('the database is away'));
  for (const result of await Promise.allSettled(follows)) expect(result.status).toBe('rejected');
  expect(watch.followers(id(1)).size).toBe(0);
  const again = watch.follow(client(), id(1));
  (await lookup()).answer([state(id(1))]);
  expect(await again).toBeDefined();
});

test('a trip that is not there is not watched', async () => {
  const following = watch.follow(client(), id(1));
  (await lookup()).answer([]);
  expect(await following).toBeUndefined();
  expect([watch.state(id(1)), watch.followers(id(1)).size]).toEqual([undefined, 0]);
});

test('tasks of one key run one after the other, also after one that failed, those of others beside them', async () => {
  const queue = new KeyedQueue();
  const order: string[] = [];
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const failing = queue.run('a', async () => {
    await gate;
    order.push('a1');
    throw new Error('a1');
  });
  const results = [
    failing.catch(() => order.push('a1 failed')),
    queue.run('a', async () => order.push('a2')),
    queue.run('b', async () => order.push('b1')),
  ];
  await turn();
  expect(order).toEqual(['b1']);
  release();
  await Promise.all(results);
  expect(order.filter((name) => name.startsWith('a')).sort()).toEqual(['a1', 'a1 failed', 'a2']);
  expect(order.indexOf('a1')).toBeLessThan(order.indexOf('a2'));
});

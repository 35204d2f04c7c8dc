import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { token } from '../support/platform.ts';
import { type TripDesk, tripDesk } from '../support/trips.ts';

let fleet: Fleet;
let desk: TripDesk;

beforeAll(async () => {
  fleet = await startFleet();
  desk = tripDesk(fleet.platform);
});
afterAll(() => fleet?.stop());

async function get(tripId: string, headers: Record<string, string> = {}, bearer?: string) {
  const response = await fetch(`${fleet.platform.urls.rest}/v1/trips/${tripId}`, {
    headers: { authorization: `Bearer ${bearer ?? (await token('SERVICE', 'desk'))}`, ...headers },
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    tag: response.headers.get('etag') ?? '',
  };
}

test('a trip that has not changed is 304, with its tag and without a body', async () => {
  const { id } = await desk.book({});
  const first = await get(id);
  // Weak: the bytes differ by how they are compressed (RFC 9110, 8.8.1)
  expect(first.tag).toMatch(/^W\/"[^"]+"$/);
  for (const known of [first.tag, first.tag.slice(2), `"other", ${first.tag}`, '*']) {
    const again = await get(id, { 'if-none-match': known });
    expect([known, again.status, again.text, again.tag]).toEqual([known, 304, '', first.tag]);
    expect(again.headers.get('vary')).toBe(first.headers.get('vary'));
  }
});

test('a trip that has changed is sent again, with another tag, whatever changed', async () => {
  const { id } = await desk.book({ driverId: 'etag-driver' });
  const tags = [(await get(id)).tag];
  for (const change of [
    () => desk.plan(id, { dropoff: { latitude: 48.3, longitude: 16.4 } }),
    () => desk.move(id, 'EN_ROUTE'),
    () => desk.move(id, 'ARRIVED'),
    () => desk.move(id, 'IN_PROGRESS'),
    () => desk.move(id, 'COMPLETED'),
  ]) {
    const trip = await change();
    const { status, tag, text } = await get(id, { 'if-none-match': tags.at(-1) ?? '' });
    expect([status, JSON.parse(text)]).toEqual([200, trip]);
    tags.push(tag);
  }
  expect(new Set(tags).size).toBe(tags.length);
  // A repeat of the status changes nothing
  await desk.move(id, 'COMPLETED');
  expect((await get(id, { 'if-none-match': tags.at(-1) ?? '' })).status).toBe(304);
});

test('may be kept by its reader alone, and asked for each time', async () => {
  const { id } = await desk.book({});
  for (const headers of [{}, { 'if-none-match': '*' }])
    expect((await get(id, headers)).headers.get('cache-control')).toMatch(/private.*no-cache|no-store/);
});

test('a tag opens nothing that is not yours', async () => {
  const { id } = await desk.book({ riderId: 'etag-rider' });
  const { tag } = await get(id);
  const stranger = await get(id, { 'if-none-match': tag }, await token('RIDER', 'stranger'));
  expect([stranger.status, stranger.tag]).toEqual([404, '']);
  expect((await get(id, { 'if-none-match': '*' }, 'bad')).status).toBe(401);
});

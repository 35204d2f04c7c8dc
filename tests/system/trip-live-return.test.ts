import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { follow, isStatusEvent, type LiveStream, statusesIn } from '../support/live-events.ts';
import { token } from '../support/platform.ts';
import { dropoff, type TripDesk, tripDesk } from '../support/trips.ts';

let fleet: Fleet;
let desk: TripDesk;
let names = 0;
const streams: LiveStream[] = [];

beforeAll(async () => {
  fleet = await startFleet();
  desk = tripDesk(fleet.platform);
});
afterAll(async () => {
  for (const stream of streams) stream.close();
  await fleet?.stop();
});

const people = () => ({ riderId: `rider-${names}`, driverId: `driver-${names++}` });

async function live(bearer: string, tripId: string, headers: Record<string, string>): Promise<LiveStream> {
  const stream = await follow(fleet.platform, bearer, tripId, headers);
  streams.push(stream);
  return stream;
}

describe('a client that comes back', () => {
  test('gets every status since the one that it names', async () => {
    const named = people();
    const { id } = await desk.bookIn('IN_PROGRESS', named);
    const stream = await live(await token('RIDER', named.riderId), id, { 'last-event-id': '1' });
    await stream.next(isStatusEvent('IN_PROGRESS'));
    expect(statusesIn(stream)).toEqual(['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS']);
    expect(stream.events.map(({ id: eventId }) => eventId)).toEqual(['2', '3', '4']);
  });

  test('and has seen all goes on with what is new', async () => {
    const named = people();
    const { id } = await desk.bookIn('EN_ROUTE', named);
    const stream = await live(await token('RIDER', named.riderId), id, { 'last-event-id': '2' });
    await desk.move(id, 'ARRIVED');
    await stream.next(isStatusEvent('ARRIVED'));
    expect(statusesIn(stream)).toEqual(['ARRIVED']);
  });

  test('after the end, having seen it, is not kept waiting', async () => {
    const named = people();
    const { id } = await desk.bookIn('CANCELLED', named);
    const stream = await live(await token('RIDER', named.riderId), id, { 'last-event-id': '2' });
    await stream.ended;
    expect(stream.events).toEqual([]);
  });

  test('as the driver who was assigned in the meantime, sees what was since then, and what comes', async () => {
    const named = people();
    const { id } = await desk.book(named);
    await desk.plan(id, { pickup: dropoff });
    await desk.plan(id, { driverId: 'relief' });
    await desk.move(id, 'EN_ROUTE');
    const stream = await live(await token('DRIVER', 'relief'), id, { 'last-event-id': '1' });
    await stream.next(isStatusEvent('EN_ROUTE'));
    await desk.move(id, 'CANCELLED');
    await stream.ended;
    // Version 2 was of another driver's trip
    expect(stream.events.map(({ id: eventId }) => eventId)).toEqual(['3', '4', '5']);
    expect(JSON.stringify(stream.events)).not.toContain(named.driverId);
  });

  test('long after the end, is told how far and how long it went', async () => {
    const named = people();
    const { id } = await desk.bookIn('COMPLETED', named);
    const { distanceMeters, durationSeconds } = await desk.trip(id);
    const database = new Client({ connectionString: fleet.databaseUrl });
    await database.connect();
    await database.query('delete from trip_outbox where trip_id = $1', [id]);
    await database.end();
    const stream = await live(await token('RIDER', named.riderId), id, { 'last-event-id': '4' });
    await stream.ended;
    expect(stream.events).toMatchObject([
      { id: '5', data: { status: 'COMPLETED', distanceMeters, durationSeconds } },
    ]);
  });

  test('with an id that is none starts anew', async () => {
    const named = people();
    const { id } = await desk.bookIn('EN_ROUTE', named);
    const stream = await live(await token('RIDER', named.riderId), id, { 'last-event-id': "1' or true --" });
    await stream.next(isStatusEvent('EN_ROUTE'));
    expect(statusesIn(stream)).toEqual(['EN_ROUTE']);
  });
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Fleet, json, startFleet } from '../support/fleet.ts';
import type { TestClient } from '../support/mqtt-client.ts';
import {
  isLocationOf,
  isStatusOf,
  type LocationMessage,
  locationsOf,
  pickup,
  statusesOf,
  type TripDesk,
  tripDesk,
} from '../support/trips.ts';

const METERS_PER_DEGREE = 111_195;
let names = 0;

type Ride = {
  tripId: string;
  rider: TestClient;
  /** A position so far from the pickup, at a second of the ride; settles when the rider has it. */
  drive(second: number, metersNorth: number, speed: number): Promise<LocationMessage>;
};

async function setOut(fleet: Fleet, desk: TripDesk): Promise<Ride> {
  const riderId = `rider-${names}`;
  const driverId = `driver-${names++}`;
  const { id } = await desk.bookIn('EN_ROUTE', { riderId, driverId });
  const rider = await fleet.client('RIDER', riderId, { url: fleet.platform.urls.ws });
  await rider.client.subscribeAsync(`trips/${id}/#`, { qos: 1 });
  await rider.next(isStatusOf(id, 'EN_ROUTE'));
  const driver = await fleet.client('DRIVER', driverId);
  const began = Date.now() - 600_000;
  return {
    tripId: id,
    rider,
    async drive(second, metersNorth, speed) {
      const recordedAt = began + second * 1000;
      const latitude = pickup.latitude + metersNorth / METERS_PER_DEGREE;
      const payload = json({ latitude, longitude: pickup.longitude, speed, recordedAt });
      await driver.client.publishAsync(`drivers/${driverId}/location`, payload, { qos: 1 });
      return (await rider.next(isLocationOf(id, recordedAt))).payload as LocationMessage;
    },
  };
}

async function passBy({ drive }: Ride): Promise<void> {
  for (let second = 0; second <= 30; second++) await drive(second, -210 + second * 14, 14);
}

async function stop({ drive }: Ride): Promise<void> {
  await drive(100, -200, 10);
  await drive(110, -40, 4);
  await drive(115, -5, 0.3);
}

describe('without AUTO_ARRIVE', () => {
  let fleet: Fleet;
  let desk: TripDesk;
  beforeAll(async () => {
    fleet = await startFleet();
    desk = tripDesk(fleet.platform);
  });
  afterAll(() => fleet?.stop());

  test('whoever waits at the pickup is near it, and the driver is the one who says that it has arrived', async () => {
    const ride = await setOut(fleet, desk);
    await passBy(ride);
    expect(locationsOf(ride.rider, ride.tripId).map(({ near }) => near)).toEqual(Array(31).fill(undefined));
    await stop(ride);
    expect(locationsOf(ride.rider, ride.tripId).at(-1)).toMatchObject({ near: 'pickup' });
    expect((await ride.drive(120, -5, 0)).near).toBe('pickup');
    // It can be seen by whoever asks now, and it is gone with the driver
    await ride.rider.client.subscribeAsync(`trips/${ride.tripId}/location`, { qos: 1 });
    const snapshot = await ride.rider.next((message) => isLocationOf(ride.tripId)(message) && message.retain);
    expect(snapshot.payload).toMatchObject({ near: 'pickup' });
    expect((await ride.drive(130, 100, 8)).near).toBeUndefined();
    expect((await desk.trip(ride.tripId)).status).toBe('EN_ROUTE');
    await stop({ ...ride, drive: (second, meters, speed) => ride.drive(second + 100, meters, speed) });
    await desk.move(ride.tripId, 'ARRIVED');
    expect((await ride.drive(300, -5, 0)).near).toBeUndefined();
  });
});

describe('with AUTO_ARRIVE', () => {
  let fleet: Fleet;
  let desk: TripDesk;
  beforeAll(async () => {
    fleet = await startFleet({ AUTO_ARRIVE: 'true', ARRIVAL_RADIUS_M: '60' });
    desk = tripDesk(fleet.platform);
  });
  afterAll(() => fleet?.stop());

  test('whoever passes by has not arrived, whoever stops has, once', async () => {
    const ride = await setOut(fleet, desk);
    await passBy(ride);
    expect((await desk.trip(ride.tripId)).status).toBe('EN_ROUTE');
    await stop(ride);
    await ride.rider.next(isStatusOf(ride.tripId, 'ARRIVED'));
    for (const second of [116, 117, 118]) await ride.drive(second, 0, 0);
    const trip = await desk.trip(ride.tripId);
    expect(trip).toMatchObject({ status: 'ARRIVED', version: 3, arrivedAt: expect.any(String) });
    expect(await desk.events(ride.tripId)).toHaveLength(3);
    await desk.move(ride.tripId, 'IN_PROGRESS');
    await ride.drive(200, 0, 0);
    await ride.drive(210, 0, 0);
    await desk.move(ride.tripId, 'COMPLETED');
    await ride.rider.next(isStatusOf(ride.tripId, 'COMPLETED'));
    expect(statusesOf(ride.rider, ride.tripId).map(({ version }) => version)).toEqual([2, 3, 4, 5]);
    expect(locationsOf(ride.rider, ride.tripId).some(({ near }) => near !== undefined)).toBe(false);
  });

  test('the radius is that of the configuration', async () => {
    const ride = await setOut(fleet, desk);
    for (const second of [0, 10, 20, 200]) await ride.drive(second, 65, 0);
    expect((await desk.trip(ride.tripId)).status).toBe('EN_ROUTE');
    for (const second of [210, 220]) await ride.drive(second, 55, 0);
    await ride.rider.next(isStatusOf(ride.tripId, 'ARRIVED'));
  });

  test('many drivers who send at once arrive once each', async () => {
    const rides = await Promise.all(Array.from({ length: 10 }, () => setOut(fleet, desk)));
    await Promise.all(
      rides.flatMap((ride) => Array.from({ length: 10 }, (_, second) => ride.drive(second, 0, 0))),
    );
    for (const { rider, tripId } of rides) {
      await rider.next(isStatusOf(tripId, 'ARRIVED'));
      expect((await desk.events(tripId)).map(({ status }) => status)).toEqual([
        'PENDING',
        'EN_ROUTE',
        'ARRIVED',
      ]);
    }
  });
});

import { expectData, mapAs, platformAs, type Schemas } from './platform.ts';

/*
 * One whole trip over REST: a booking service, a driver, a rider, and a friend with whom the rider shares the trip. Prints as JSON
 * what each of them has seen.
 */

const { BOOKING_TOKEN = '', DRIVER_TOKEN = '', RIDER_TOKEN = '' } = process.env;
const driverId = 'driver-of-the-client';
const riderId = 'rider-of-the-client';

const booking = platformAs(BOOKING_TOKEN);
const driver = platformAs(DRIVER_TOKEN);
const rider = platformAs(RIDER_TOKEN);

const stephansplatz: Schemas['Place'] = { latitude: 48.2082, longitude: 16.3738, address: 'Stephansplatz' };
const prater: Schemas['Place'] = { latitude: 48.2166, longitude: 16.3957 };

/** Booked, and sent again as after a lost connection: it is one trip. */
async function book(): Promise<Schemas['Trip']> {
  const request = {
    params: { header: { 'Idempotency-Key': crypto.randomUUID() } },
    body: { riderId, pickup: stephansplatz, dropoff: prater, metadata: { seats: 2 } },
  };
  const trip = expectData(await booking.POST('/v1/trips', request));
  const again = expectData(await booking.POST('/v1/trips', request));
  if (again.id !== trip.id) throw new Error('booked twice');
  return trip;
}

async function drive(points: readonly Schemas['Position'][]): Promise<Schemas['StoredPosition'][]> {
  const stored: Schemas['StoredPosition'][] = [];
  for (const body of points) {
    const sent = await driver.POST('/v1/drivers/{driverId}/location', {
      params: { path: { driverId } },
      body,
    });
    stored.push(expectData(sent).position);
  }
  return stored;
}

/** The live stream begins with the trip as it is: somebody who comes later is shown where it stands. */
async function firstStatus(token: string): Promise<unknown> {
  const live = await platformAs(token).GET('/v1/trips/{tripId}/live', { ...ofTrip, parseAs: 'stream' });
  let text = '';
  for await (const chunk of expectData(live)?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    const [, data] = /^event: status\n(?:id: .*\n)?data: (.*)\n\n/.exec(text) ?? [];
    if (data !== undefined) return JSON.parse(data);
  }
  throw new Error(`no status: ${text}`);
}

const { id: tripId } = await book();
const ofTrip = { params: { path: { tripId } } };

const move = async (status: Schemas['Transition']['status'], version?: number) =>
  driver.PATCH('/v1/trips/{tripId}/status', {
    ...ofTrip,
    body: version === undefined ? { status } : { status, version },
  });

await driver.PUT('/v1/drivers/{driverId}/status', {
  params: { path: { driverId } },
  body: { status: 'ONLINE' },
});
await drive([{ latitude: 48.2071, longitude: 16.3725, accuracy: 5 }]);
const nearby = expectData(
  await booking.GET('/v1/drivers/nearby', {
    params: { query: { latitude: stephansplatz.latitude, longitude: stephansplatz.longitude, radius: 1000 } },
  }),
);

const planned = expectData(await booking.PATCH('/v1/trips/{tripId}', { ...ofTrip, body: { driverId } }));
const statuses = [planned.status, expectData(await move('EN_ROUTE')).status];
await drive([{ latitude: 48.2077, longitude: 16.3732, speed: 8, bearing: 40 }]);
statuses.push(expectData(await move('ARRIVED')).status, expectData(await move('IN_PROGRESS')).status);

const shared = expectData(await rider.POST('/v1/trips/{tripId}/share', ofTrip));
const seenByFriend = await firstStatus(shared.token);

const onBoard = await drive([
  { latitude: 48.2091, longitude: 16.3755, speed: 9 },
  { latitude: 48.2128, longitude: 16.3856, speed: 11, recordedAt: null },
  { latitude: 48.2166, longitude: 16.3957, speed: 0 },
]);
const stale = await move('COMPLETED', 1);
const completed = expectData(await move('COMPLETED'));
statuses.push(completed.status);

const history = expectData(
  await driver.GET('/v1/drivers/{driverId}/history', {
    params: { path: { driverId }, query: { limit: 2 } },
  }),
);
const older = expectData(
  await driver.GET('/v1/drivers/{driverId}/history', {
    params: {
      path: { driverId },
      query: { limit: 2, ...(history.nextCursor && { cursor: history.nextCursor }) },
    },
  }),
);
const track = expectData(await rider.GET('/v1/trips/{tripId}/track', ofTrip));
const line = await mapAs(RIDER_TOKEN).GET('/v1/trips/{tripId}/track', {
  params: { ...ofTrip.params, query: { format: 'geojson' } },
});
const events = expectData(await rider.GET('/v1/trips/{tripId}/events', ofTrip));
const ended = expectData(
  await booking.GET('/v1/trips', { params: { query: { status: 'COMPLETED', driverId } } }),
);

/** What is refused is data too: every code that an operation has is known, and no other. */
async function refusals() {
  const missing = await rider.GET('/v1/trips/{tripId}', {
    params: { path: { tripId: crypto.randomUUID() } },
  });
  const offTheGlobe = await driver.POST('/v1/drivers/{driverId}/location', {
    params: { path: { driverId } },
    body: { latitude: 91, longitude: 181 },
  });
  const backwards = await move('EN_ROUTE');
  return {
    missing: missing.error?.code,
    wrongFields: offTheGlobe.error?.errors?.map(({ path }) => path),
    advice: [backwards.error, stale.error].map((error) => {
      switch (error?.code) {
        case 'INVALID_TRANSITION':
          return 'the trip has gone on';
        case 'VERSION_CONFLICT':
          return 'read it again';
        case 'RATE_LIMITED':
          return `wait ${error.retryAfterMs} ms`;
        default:
          return error?.detail;
      }
    }),
  };
}

process.stdout.write(
  `${JSON.stringify({
    tripId,
    nearby: nearby.items.map((near) => near.driverId),
    statuses,
    seenByFriend,
    distanceMeters: completed.distanceMeters,
    onBoard: onBoard.map(({ recordedAt }) => recordedAt),
    history: [...history.items, ...older.items].map(({ recordedAt }) => recordedAt),
    track: track.items.map(({ recordedAt }) => recordedAt),
    line: line.data?.geometry.coordinates,
    events: events.items.map(({ previous, status }) => [previous, status]),
    ended: ended.items.map(({ id }) => id),
    refusals: await refusals(),
  })}\n`,
);

import { connect } from 'mqtt';
import { Client } from 'pg';
import { type Received, type TestClient, watch } from './mqtt-client.ts';
import { type Platform, request, token } from './platform.ts';

/** Written by hand from SPEC section 7, not imported: the tests have their own idea of what is right. */
export const tripStatuses = [
  'PENDING',
  'EN_ROUTE',
  'ARRIVED',
  'IN_PROGRESS',
  'COMPLETED',
  'CANCELLED',
] as const;
export type TripStatus = (typeof tripStatuses)[number];

export type TripBody = {
  id: string;
  riderId: string;
  driverId: string | null;
  status: TripStatus;
  version: number;
  pickup: { latitude: number; longitude: number; address?: string };
  dropoff: { latitude: number; longitude: number; address?: string };
  metadata: Record<string, unknown>;
  createdAt: string;
  updatedAt: string;
  enRouteAt: string | null;
  arrivedAt: string | null;
  startedAt: string | null;
  completedAt: string | null;
  cancelledAt: string | null;
  cancelReason: string | null;
  distanceMeters: number | null;
  durationSeconds: number | null;
};

export type EventBody = {
  version: number;
  status: TripStatus;
  previous: TripStatus | null;
  at: string;
  actor: { sub: string; role: string };
  reason: string | null;
};

export type StatusMessage = {
  tripId: string;
  status: TripStatus;
  previous: TripStatus | null;
  version: number;
  at: string;
  driverId: string | null;
  distanceMeters?: number;
  durationSeconds?: number;
};

export type LocationMessage = {
  tripId: string;
  driverId: string;
  latitude: number;
  longitude: number;
  recordedAt: string;
  receivedAt: string;
  eta: { seconds: number; meters: number; to: 'pickup' | 'dropoff' };
  near?: string;
};

export const pickup = { latitude: 48.2, longitude: 16.37 };
/** 2 km north of it. */
export const dropoff = { latitude: 48.218, longitude: 16.37 };

/** How a trip comes to each status. */
const wayTo: Record<TripStatus, readonly TripStatus[]> = {
  PENDING: [],
  EN_ROUTE: ['EN_ROUTE'],
  ARRIVED: ['EN_ROUTE', 'ARRIVED'],
  IN_PROGRESS: ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS'],
  COMPLETED: ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED'],
  CANCELLED: ['CANCELLED'],
};

/** Trips of one platform as a dispatcher handles them: through REST, as SERVICE. Each call fails unless it succeeds. */
export function tripDesk(platform: Platform, makeToken: typeof token = token) {
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await request(platform, await makeToken('SERVICE', 'desk'), method, path, body);
    if (answer.status >= 300)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as T;
  };
  const desk = {
    book: (fields: Record<string, unknown>) =>
      call<TripBody>('POST', '/v1/trips', { riderId: 'rider-1', pickup, dropoff, ...fields }),
    plan: (tripId: string, fields: Record<string, unknown>) =>
      call<TripBody>('PATCH', `/v1/trips/${tripId}`, fields),
    move: (tripId: string, status: TripStatus, fields: Record<string, unknown> = {}) =>
      call<TripBody>('PATCH', `/v1/trips/${tripId}/status`, { status, ...fields }),
    trip: (tripId: string) => call<TripBody>('GET', `/v1/trips/${tripId}`),
    events: async (tripId: string) =>
      (await call<{ items: EventBody[] }>('GET', `/v1/trips/${tripId}/events`)).items,
    /** A new trip that has come to a status by the shortest way. */
    async bookIn(status: TripStatus, fields: Record<string, unknown>): Promise<TripBody> {
      let trip = await desk.book(fields);
      for (const step of wayTo[status]) trip = await desk.move(trip.id, step);
      return trip;
    },
    async share(tripId: string): Promise<string> {
      return (await call<{ token: string }>('POST', `/v1/trips/${tripId}/share`)).token;
    },
  };
  return desk;
}

export type TripDesk = ReturnType<typeof tripDesk>;

/**
 * Writes trips into the database as if they had come to these statuses long ago: hundreds in a moment. Gives their ids, in
 * order.
 */
export async function insertTrips(
  databaseUrl: string,
  trips: readonly { status: TripStatus; riderId: string; driverId: string | null }[],
): Promise<string[]> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string }>(
      `with given as (
         select gen_random_uuid() as id, *, case status when 'PENDING' then 1 when 'EN_ROUTE' then 2
                when 'ARRIVED' then 3 when 'IN_PROGRESS' then 4 when 'COMPLETED' then 5 else 2 end as version
           from unnest($1::text[], $2::text[], $3::text[]) with ordinality as t (status, rider_id, driver_id, place)
       ), trip as (
         insert into trip_tracking (id, rider_id, driver_id, status, version, pickup, dropoff, en_route_at, arrived_at,
                                    started_at, completed_at, cancelled_at, created_at, updated_at)
         select id, rider_id, driver_id, status, version,
                'SRID=4326;POINT(16.37 48.2)'::geography, 'SRID=4326;POINT(16.37 48.218)'::geography,
                case when status not in ('PENDING', 'CANCELLED') then now() - interval '50 min' end,
                case when status in ('ARRIVED', 'IN_PROGRESS', 'COMPLETED') then now() - interval '40 min' end,
                case when status in ('IN_PROGRESS', 'COMPLETED') then now() - interval '30 min' end,
                case when status = 'COMPLETED' then now() - interval '20 min' end,
                case when status = 'CANCELLED' then now() - interval '20 min' end,
                now() - interval '1 hour', now() - interval '20 min'
           from given
       )
       insert into trip_events (trip_id, version, status, previous, at, actor_sub, actor_role)
       select id, version, status, null, now() - interval '20 min', 'desk', 'SERVICE'
         from given
        order by place
       returning trip_id as id`,
      [
        trips.map(({ status }) => status),
        trips.map(({ riderId }) => riderId),
        trips.map(({ driverId }) => driverId),
      ],
    );
    return rows.map(({ id }) => id);
  } finally {
    await client.end();
  }
}

export const isStatusOf =
  (tripId: string, status?: TripStatus) =>
  ({ topic, payload }: Received): boolean =>
    topic === `trips/${tripId}/status` &&
    (status === undefined || (payload as StatusMessage).status === status);

export const isLocationOf =
  (tripId: string, recordedAt?: number) =>
  ({ topic, payload }: Received): boolean =>
    topic === `trips/${tripId}/location` &&
    (recordedAt === undefined || Date.parse((payload as LocationMessage).recordedAt) === recordedAt);

/**
 * A trip's statuses in the order in which a client had them. A message that comes again at once is left out: changes are published at
 * least once, and the snapshot on SUBSCRIBE may show one that is still on its way.
 */
export const statusesOf = ({ received }: TestClient, tripId: string): StatusMessage[] =>
  received
    .filter(isStatusOf(tripId))
    .map(({ payload }) => payload as StatusMessage)
    .filter(({ version }, index, all) => version !== all[index - 1]?.version);

export const locationsOf = ({ received }: TestClient, tripId: string): LocationMessage[] =>
  received.filter(isLocationOf(tripId)).map(({ payload }) => payload as LocationMessage);

/** SUBSCRIBE, and what the SUBACK says of each filter; 128 is a refusal. */
export async function subackOf(client: TestClient, filters: string | string[], qos: 0 | 1 | 2 = 1) {
  const codes = await Promise.all(
    [filters].flat().map(
      (filter) =>
        new Promise<number>((resolve, reject) =>
          client.client.subscribe(filter, { qos }, (error, granted, packet) => {
            const code = packet?.granted[0];
            if (typeof code === 'number') resolve(code);
            else reject(error ?? new Error(`no SUBACK: ${JSON.stringify(granted)}`));
          }),
        ),
    ),
  );
  return codes;
}

/**
 * A session that outlives its connections is taken up, or begun. It is listened to from the beginning: what waited in it comes at
 * once. Rejects when it is not let in.
 */
export async function takeUp(
  url: string,
  bearer: string,
  clientId: string,
): Promise<TestClient & { sessionPresent: boolean }> {
  const client = connect(url, {
    username: 'x',
    password: bearer,
    clientId,
    clean: false,
    reconnectPeriod: 0,
  });
  const watched = watch(client);
  const sessionPresent = await new Promise<boolean>((resolve, reject) => {
    client.once('connect', (packet) => resolve(packet.sessionPresent));
    client.once('close', () => reject(new Error('closed before CONNACK')));
  });
  return { ...watched, sessionPresent };
}

/** Whatever was on its way to a client before this has come. */
export async function marked(client: TestClient): Promise<void> {
  const claims = String(client.client.options.password).split('.')[1] ?? '';
  const { sub, role } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as {
    sub: string;
    role: string;
  };
  const users = role === 'RIDER' || role === 'VIEWER' ? 'riders' : 'drivers';
  await client.client.subscribeAsync(`${users}/${sub}/errors`, { qos: 1 });
  // The report that nobody may publish to this comes after all that was reported, or told, before it
  const topic = `nothing/${crypto.randomUUID()}`;
  await client.client.publishAsync(topic, '{}', { qos: 1 });
  await client.next(({ payload }) => (payload as { topic?: string }).topic === topic, 10_000);
}

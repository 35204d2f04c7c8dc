import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { request, token } from '../support/platform.ts';
import { decodePublish, encode, loginTcp, type RawConnection, TYPE } from '../support/raw-mqtt.ts';

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(() => fleet?.stop());

const place = { latitude: 48.2, longitude: 16.37 };

async function createTrip(riderId: string, driverId: string): Promise<string> {
  const bearer = await token('SERVICE', 'booking');
  const trip = { riderId, driverId, pickup: place, dropoff: place };
  const { status, body } = await request(fleet.platform, bearer, 'POST', '/v1/trips', trip);
  if (status !== 201) throw new Error(`${status} ${JSON.stringify(body)}`);
  return (body as { id: string }).id;
}

async function setStatus(trip: string, status: string): Promise<void> {
  const bearer = await token('SERVICE', 'booking');
  const answer = await request(fleet.platform, bearer, 'PATCH', `/v1/trips/${trip}/status`, { status });
  if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
}

const login = async (sub: string) =>
  loginTcp(fleet.platform.ports.mqtt, { token: await token('RIDER', sub), clientId: 'phone', clean: false });

async function subscribe(
  raw: RawConnection,
  filters: readonly (readonly [string, number])[],
): Promise<number[]> {
  raw.send(encode.subscribe(1, filters));
  return [...(await raw.next(TYPE.SUBACK)).body.subarray(2)];
}

/** The next status, acknowledged. */
async function nextStatus(raw: RawConnection) {
  const { payload, ...message } = decodePublish(await raw.next(TYPE.PUBLISH));
  if (message.qos === 1) raw.send(encode.acknowledge(TYPE.PUBACK, message.id));
  const { status, version } = payload as { status: string; version: number };
  return { status, version, qos: message.qos, retain: message.retain };
}

test('a rider whose session outlives the connection gets each status once: the snapshot, what came while away, what is live', async () => {
  const trip = await createTrip('rider-1', 'driver-1');
  const phone = await login('rider-1');
  expect(await subscribe(phone, [[`trips/${trip}/status`, 1]])).toEqual([1]);
  const seen = [await nextStatus(phone)];
  await setStatus(trip, 'EN_ROUTE');
  seen.push(await nextStatus(phone));
  phone.send(encode.disconnect());
  await phone.closed;
  await setStatus(trip, 'ARRIVED');
  const back = await login('rider-1');
  seen.push(await nextStatus(back));
  await setStatus(trip, 'IN_PROGRESS');
  seen.push(await nextStatus(back));
  back.send(encode.disconnect());
  await back.closed;
  const again = await login('rider-1');
  await setStatus(trip, 'COMPLETED');
  seen.push(await nextStatus(again));
  again.end();
  expect(seen).toEqual(
    ['PENDING', 'EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED'].map((status, index) => ({
      status,
      version: expect.any(Number),
      qos: 1,
      retain: index === 0,
    })),
  );
  const versions = seen.map(({ version }) => version);
  expect(versions).toEqual([...versions].sort((a, b) => a - b));
});

test('the snapshot comes at the QoS asked for, also where other filters of the same SUBSCRIBE are refused', async () => {
  const trip = await createTrip('rider-2', 'driver-2');
  for (const [qos, filter] of [
    [0, `trips/${trip}/status`],
    [1, `trips/${trip}/#`],
    [2, `trips/${trip}/+`],
  ] as const) {
    const raw = await loginTcp(fleet.platform.ports.mqtt, { token: await token('RIDER', 'rider-2') });
    const filters = [
      ['trips/+/status', 2],
      [filter, qos],
      ['#', 2],
    ] as const;
    expect(await subscribe(raw, filters)).toEqual([0x80, qos, 0x80]);
    expect(await nextStatus(raw)).toMatchObject({ status: 'PENDING', qos, retain: true });
    raw.end();
  }
});

test('a trip of somebody else stays unseen in a session that asked for it, also after a reconnect', async () => {
  const [own, other] = [await createTrip('rider-3', 'driver-3'), await createTrip('rider-4', 'driver-4')];
  const filters = [
    [`trips/${own}/status`, 1],
    [`trips/${other}/status`, 1],
    [`trips/${other}/#`, 1],
    ['trips/+/status', 1],
  ] as const;
  const phone = await login('rider-3');
  expect(await subscribe(phone, filters)).toEqual([1, 0x80, 0x80, 0x80]);
  expect(await nextStatus(phone)).toMatchObject({ status: 'PENDING' });
  phone.send(encode.disconnect());
  await phone.closed;
  await setStatus(other, 'EN_ROUTE');
  const back = await login('rider-3');
  await setStatus(other, 'ARRIVED');
  await setStatus(own, 'EN_ROUTE');
  const message = decodePublish(await back.next(TYPE.PUBLISH));
  expect(message.topic).toBe(`trips/${own}/status`);
  back.end();
});

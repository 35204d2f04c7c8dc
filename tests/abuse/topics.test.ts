import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AbuseStage } from '../support/abuse-stage.ts';
import { type ErrorMessage, json } from '../support/fleet.ts';
import type { Received } from '../support/mqtt-client.ts';
import {
  decodePublish,
  encode,
  loginTcp,
  openTcp,
  type RawConnection,
  type RawPacket,
  TYPE,
} from '../support/raw-mqtt.ts';
import { isLocationOf, isStatusOf, marked, type StatusMessage, tripDesk } from '../support/trips.ts';

let stage: AbuseStage;
/** A driver, and a service that may publish for any. */
let bearers: { eve: string; mallory: string };

/** Nobody else is there. */
const place = { latitude: 47.07071234, longitude: 15.43951234 };

beforeAll(async () => {
  // So that no driver becomes OFFLINE meanwhile
  stage = await AbuseStage.open({ OFFLINE_GRACE_MS: '600000' });
  stage.hidePlace(place);
  bearers = { eve: await stage.token('DRIVER', 'eve'), mallory: await stage.token('SERVICE', 'mallory') };
});
afterAll(() => stage?.close());

const bytes = (...parts: (string | number[])[]) => Buffer.concat(parts.map((part) => Buffer.from(part)));

/** Nothing of what was sent reaches anybody, and who is beside it notices nothing. */
async function expectNothingOfIt(): Promise<void> {
  expect(await stage.delivered()).toEqual([]);
}

/** Ill-formed, or names of nothing, however much they look like another driver's topic. */
const wild: [name: string, topic: Buffer][] = [
  ['NUL alone', bytes([0])],
  ['NUL at the end', bytes('drivers/victim/location', [0])],
  ['NUL in the id', bytes('drivers/vic', [0], 'tim/location')],
  ['a continuation byte alone', bytes('drivers/', [0x80], '/location')],
  ['a sequence that is cut off', bytes('drivers/victim/location', [0xe2, 0x82])],
  ['an overlong slash', bytes('drivers', [0xc0, 0xaf], 'victim', [0xc0, 0xaf], 'location')],
  ['an overlong NUL', bytes('drivers/victim/location', [0xc0, 0x80])],
  ['half of a surrogate pair', bytes('drivers/', [0xed, 0xa0, 0x80], '/location')],
  ['a code point beyond Unicode', bytes('drivers/', [0xf4, 0x90, 0x80, 0x80], '/location')],
  ['bytes that are in no UTF-8', bytes([0xff, 0xfe, 0xfd])],
  ['U+FFFE', bytes('drivers/victim\ufffe/location')],
  ['U+FFFF', bytes('drivers/victim/location\uffff')],
  ['a byte order mark', bytes('\ufeffdrivers/victim/location')],
  ['control characters', bytes('drivers/victim/location\u0001\u001f\u007f\u0085')],
  ['line breaks that forge a line of the log', bytes('x\r\n{"level":60,"msg":"forged"}\n')],
  ['colours of a terminal', bytes('\u001b[2J\u001b[31mdrivers/victim/location')],
  ['text that runs backwards', bytes('drivers/\u202evictim\u202c/location')],
  ['a letter of no width', bytes('drivers/vic\u200btim/location')],
  ['slashes of another script', bytes('drivers\uff0fvictim\u2215location')],
  ['a slash that is encoded', bytes('drivers%2Fvictim%2Flocation')],
  ['a step up', bytes('drivers/eve/../victim/location')],
  ['a backslash', bytes('drivers\\victim\\location')],
  ['SQL', bytes("drivers/'; drop table location_history; --/location")],
  ['the key of a script', bytes('drivers/{s07}:victim/location')],
  ['a prototype', bytes('__proto__/__proto__/__proto__')],
  ['a shared subscription', bytes('$share/g/drivers/victim/location')],
  ["the broker's own", bytes('$SYS/mallory/new/clients')],
  ['a dollar', bytes('$')],
  ['300 levels', bytes('drivers/victim/location/'.repeat(100))],
  ['60,000 levels', bytes('/'.repeat(60_000))],
  ['60,000 bytes', bytes('x'.repeat(60_000))],
  ['65,535 bytes', bytes('x'.repeat(65_535))],
];

const login = (user: keyof typeof bearers) =>
  loginTcp(stage.fleet.platform.ports.mqtt, { token: bearers[user] });

/** The first packet of each of these types, in the order of their arrival; undefined where the connection was closed instead. */
async function answers(raw: RawConnection, ...types: number[]): Promise<RawPacket[] | undefined> {
  const found: RawPacket[] = [];
  const missing = new Set(types);
  try {
    while (missing.size > 0) {
      const packet = await raw.next(...missing);
      missing.delete(packet.type);
      found.push(packet);
    }
  } catch (error) {
    if (!raw.stream.destroyed) throw error;
    expect(found).toEqual([]);
    return undefined;
  }
  return found;
}

const codeOf = (packets: readonly RawPacket[]) =>
  packets
    .filter(({ type }) => type === TYPE.PUBLISH)
    .map((packet) => (decodePublish(packet).payload as ErrorMessage).code);

const watchErrors = async (raw: RawConnection, user: string): Promise<void> => {
  raw.send(encode.subscribe(1, [[`drivers/${user}/errors`, 0]]));
  await raw.next(TYPE.SUBACK);
};

const REFUSED = 0x80;

const uuidOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const overlapping = [
  'drivers/+/location',
  'drivers/bystander-driver/location',
  '+/+/location',
  '+/bystander-driver/location',
];

describe.each(['eve', 'mallory'] as const)('%s, who', (user) => {
  afterAll(expectNothingOfIt);

  test.each(wild)('publishes to %s, is told FORBIDDEN, or is closed', async (_name, topic) => {
    const raw = await login(user);
    await watchErrors(raw, user);
    raw.send(encode.publish(topic, json(place), { qos: 1, id: 2, retain: true }));
    const packets = await answers(raw, TYPE.PUBACK, TYPE.PUBLISH);
    if (packets !== undefined) expect(codeOf(packets)).toEqual(['FORBIDDEN']);
    raw.end();
  });

  test.each(wild)('subscribes to %s, is refused, or is closed', async (_name, topic) => {
    for (const filter of [topic, bytes([...topic, 0x2f, 0x23])]) {
      if (filter.length > 65_535) continue;
      const raw = await login(user);
      raw.send(encode.subscribe(1, [[filter, 1]]));
      const packets = await answers(raw, TYPE.SUBACK);
      if (packets !== undefined) expect(packets[0]?.body.at(-1)).toBe(REFUSED);
      raw.end();
    }
  });

  test.each(wild)('leaves a will on %s, is told FORBIDDEN, or not let in', async (_name, topic) => {
    const errors = await login(user);
    await watchErrors(errors, user);
    const raw = openTcp(stage.fleet.platform.ports.mqtt);
    raw.send(encode.connect({ token: bearers[user], will: { topic, payload: json(place) } }));
    const connack = await answers(raw, TYPE.CONNACK);
    raw.end();
    if (connack?.[0]?.body[1] === 0) expect(codeOf([await errors.next(TYPE.PUBLISH)])).toEqual(['FORBIDDEN']);
    errors.end();
  });
});

test('any text at all, and any mixture of what topics are made of, is FORBIDDEN', async () => {
  const level = fc.oneof(
    fc.constantFrom('drivers', 'riders', 'trips', 'session', 'owntracks', '$SYS', '$share', ''),
    fc.constantFrom('victim', 'eve', '..', '.', stage.bystander.driverId, stage.bystander.tripId),
    fc.constantFrom('location', 'locations', 'status', 'trips', 'errors', 'transition', 'token'),
    fc.string({ unit: 'binary', maxLength: 20 }),
  );
  const topic = fc
    .oneof(
      fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }),
      fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/')),
    )
    // Wildcards and NUL have tests of their own; the rest is what eve may use
    .filter((text) => text !== '' && !/[+#\0]/.test(text))
    .filter(
      (text) => !/^(drivers\/eve\/|owntracks\/eve\/|session\/token$|trips\/[^/]+\/transition$)/.test(text),
    );
  let raw = await login('eve');
  await watchErrors(raw, 'eve');
  await fc.assert(
    fc.asyncProperty(topic, async (text) => {
      if (raw.stream.destroyed) {
        raw = await login('eve');
        await watchErrors(raw, 'eve');
      }
      raw.send(encode.publish(text, json(place), { qos: 1, id: 3, retain: true }));
      const packets = await answers(raw, TYPE.PUBACK, TYPE.PUBLISH);
      if (packets !== undefined) expect(codeOf(packets)).toEqual(['FORBIDDEN']);
    }),
    { numRuns: 300 },
  );
  raw.end();
  await expectNothingOfIt();
});

describe('ten thousand filters of one client', () => {
  const PACKETS = 10;
  const EACH = 1000;

  test.each([
    ['of trips that there are not, of a RIDER', 'RIDER', (n: number) => `trips/${uuidOf(n)}/status`],
    [
      'of trips that there are not, of a guest of one',
      'VIEWER',
      (n: number) => `trips/${uuidOf(n)}/location`,
    ],
    ['of trips that there are not, of an OPERATOR', 'OPERATOR', (n: number) => `trips/${uuidOf(n)}/status`],
    [
      'that all match the same, of an OPERATOR',
      'OPERATOR',
      (n: number) => overlapping[n % overlapping.length] ?? '',
    ],
  ] as const)('%s, are bounded', async (_name, role, filterOf) => {
    const trips = role === 'VIEWER' ? { trips: [uuidOf(1)] } : {};
    const bearer = await stage.token(role, 'greedy', trips);
    const raw = await loginTcp(stage.fleet.platform.ports.mqtt, { token: bearer });
    const granted = new Set<string>();
    for (let packet = 0; packet < PACKETS; packet++) {
      const all = Array.from({ length: EACH }, (_, index) => filterOf(packet * EACH + index));
      const filters = [...new Set(all)];
      raw.send(
        encode.subscribe(
          packet + 1,
          filters.map((filter) => [filter, 1] as const),
        ),
      );
      const codes = [...(await raw.next(TYPE.SUBACK)).body.subarray(2)];
      expect(codes).toHaveLength(filters.length);
      for (const [index, code] of codes.entries()) if (code !== REFUSED) granted.add(filters[index] ?? '');
    }
    expect(granted.size).toBeLessThanOrEqual(200);
    if (role !== 'OPERATOR') expect(granted.size).toBe(0);
    await expectNothingOfIt();
    if (filterOf(0).startsWith('drivers/')) await raw.next(TYPE.PUBLISH);
    // One copy of each, however many of its filters match
    const places = raw.received
      .filter(({ type }) => type === TYPE.PUBLISH)
      .map((packet) => decodePublish(packet))
      .filter(({ topic, retain }) => topic.startsWith('drivers/') && topic.endsWith('/location') && !retain)
      .map(({ payload }) => (payload as { recordedAt: string }).recordedAt);
    expect(new Set(places).size).toBe(places.length);
    raw.end();
  });
});

describe('a message that is to be kept for whoever comes (retained)', () => {
  const riderId = 'kept-rider';
  const driverId = 'kept-driver';
  let tripId: string;
  beforeAll(async () => {
    const desk = tripDesk(stage.fleet.platform);
    tripId = (await desk.bookIn('EN_ROUTE', { riderId, driverId })).id;
  });

  test.each([
    ['RIDER', riderId],
    ['DRIVER', driverId],
    ['DRIVER', 'eve'],
    ['OPERATOR', 'operator-1'],
    ['SERVICE', 'mallory'],
  ] as const)('on the topics of a trip, of a %s (%s), is not kept', async (role, sub) => {
    const forger = await loginTcp(stage.fleet.platform.ports.mqtt, { token: await stage.token(role, sub) });
    const forged = json({ ...place, tripId, status: 'COMPLETED', version: 99 });
    for (const topic of [`trips/${tripId}/status`, `trips/${tripId}/location`, `riders/${riderId}/trips`])
      forger.send(encode.publish(topic, forged, { qos: 1, id: 4, retain: true }));
    // An empty one would clear what is kept
    forger.send(encode.publish(`trips/${tripId}/status`, '', { qos: 1, id: 5, retain: true }));
    for (const id of [4, 4, 4, 5]) expect((await forger.next(TYPE.PUBACK)).body.readUInt16BE(0)).toBe(id);
    forger.end();
    const rider = await stage.fleet.subscriber(
      'RIDER',
      riderId,
      [`trips/${tripId}/#`, `riders/${riderId}/trips`],
      1,
    );
    await rider.next(isStatusOf(tripId, 'EN_ROUTE'));
    await marked(rider);
    const kept = rider.received.filter(({ retain }) => retain);
    expect(kept.map(({ topic }) => topic)).toEqual([`trips/${tripId}/status`]);
    expectTrue(rider.received.filter(({ topic }) => !topic.endsWith('/errors')));
    await rider.end();
  });

  test('reaches nobody who is there already', async () => {
    await stage.delivered();
    expectTrue(stage.watcher.received.filter(isStatusOf(tripId)));
    expect(stage.watcher.received.filter(isLocationOf(tripId))).toEqual([]);
  });

  function expectTrue(told: readonly Received[]): void {
    const statuses = told.map(({ payload }) => payload as StatusMessage);
    expect(statuses.length).toBeGreaterThan(0);
    for (const message of statuses) expect(message).toMatchObject({ tripId, driverId });
    expect(statuses.filter(({ version }) => version > 2)).toEqual([]);
  }
});

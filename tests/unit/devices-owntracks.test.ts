import { describe, expect, test } from '@jest/globals';
import type { DeviceMessage, DevicePosition } from '../../shared/devices/message.ts';
import { readOwnTracks } from '../../shared/devices/owntracks.ts';
import { parsePosition } from '../../shared/schemas/position.ts';

function positionOf(message: DeviceMessage): DevicePosition {
  if (message.kind !== 'position') throw new Error(`no position: ${JSON.stringify(message)}`);
  return message.position;
}

/** What the admission makes of a location message with these fields beside its place. */
const parsed = (fields: object) =>
  parsePosition(positionOf(readOwnTracks({ _type: 'location', lat: 48.85833, lon: 2.29513, ...fields })));

/** The booklet's examples, https://owntracks.org/booklet/ */
const iphone = {
  cog: 271,
  batt: 41,
  lon: 2.29513,
  acc: 5,
  vel: 61,
  vac: 21,
  lat: 48.85833,
  t: 'u',
  tst: 1497508651,
  alt: 167,
  _type: 'location',
  topic: 'owntracks/jane/iphone',
  p: 71,
  tid: 'JJ',
};

describe("the booklet's examples", () => {
  test("an iPhone's location: km/h become m/s, seconds an instant", () => {
    expect(readOwnTracks(iphone)).toEqual({
      kind: 'position',
      id: 'jane',
      position: {
        latitude: 48.85833,
        longitude: 2.29513,
        bearing: 271,
        speed: 16.944,
        accuracy: 5,
        altitude: 167,
        battery: 41,
        recordedAt: Date.UTC(2017, 5, 15, 6, 37, 31),
      },
    });
  });

  test('the least that a location holds', () => {
    const message = readOwnTracks({
      lon: 2.29513,
      lat: 48.85833,
      _type: 'location',
      tst: 1497476456,
      tid: 'JJ',
    });
    expect(parsePosition(positionOf(message))).toEqual({
      position: {
        latitude: 48.85833,
        longitude: 2.29513,
        bearing: null,
        speed: null,
        accuracy: null,
        altitude: null,
        battery: null,
        recordedAt: 1497476456000,
      },
    });
  });

  test('a location without a time has that of its receipt', () => {
    expect(parsed({ topic: 'owntracks/jane/phone', tid: 'JJ' })).toMatchObject({
      position: { recordedAt: null },
    });
  });
});

describe('readings', () => {
  test.each([
    [{ vel: 36 }, { speed: 10 }],
    [{ vel: 1 }, { speed: 0.278 }],
    [{ vel: 120 }, { speed: 33.333 }],
    [{ cog: 360 }, { bearing: 0 }],
    [{ cog: 359.5 }, { bearing: 359.5 }],
    [{ alt: -12 }, { altitude: -12 }],
    [{ batt: 100 }, { battery: 100 }],
    [{ tst: 1700000000.25 }, { recordedAt: 1700000000250 }],
  ])('%j is %j', (sent, kept) => {
    expect(parsed(sent)).toMatchObject({ position: kept });
  });

  test.each([
    [{ vel: -1 }, 'speed'],
    [{ cog: -1 }, 'bearing'],
    [{ acc: -1 }, 'accuracy'],
    [{ batt: -1 }, 'battery'],
    [{ batt: 101 }, 'battery'],
    [{ alt: Number.POSITIVE_INFINITY }, 'altitude'],
  ])('%j is unknown, and the place is kept all the same', (sent, name) => {
    expect(parsed(sent)).toMatchObject({ position: { latitude: 48.85833, [name]: null } });
  });

  test('what is zero or unknown is left out by the app, and left out here', () => {
    const zeroes = parsed({ tst: 1497476456, batt: 41 });
    expect(zeroes).toMatchObject({
      position: { speed: null, bearing: null, altitude: null, accuracy: null, battery: 41 },
    });
  });

  test.each([
    [{ lat: 91 }, '/latitude'],
    [{ lon: -181 }, '/longitude'],
    [{ lat: null }, '/latitude'],
    [{ lat: '48.85' }, '/latitude'],
    [{ vel: 'fast' }, '/speed'],
    [{ tst: 'noon' }, '/recordedAt'],
    [{ tst: Number.POSITIVE_INFINITY }, '/recordedAt'],
    [{ tst: 1e300 }, '/recordedAt'],
  ])('%j is for the admission to refuse', (sent, path) => {
    expect(parsed(sent)).toEqual({ errors: [expect.objectContaining({ path })] });
  });
});

describe('other messages', () => {
  test.each([
    ['lwt', { tst: 1497508651 }],
    [
      'transition',
      { event: 'enter', desc: 'Home', wtst: 1, tst: 2, lat: 1, lon: 2, acc: 3, tid: 'JJ', t: 'c' },
    ],
    ['waypoint', { desc: 'Home', lat: 1, lon: 2, rad: 50, tst: 1 }],
    ['waypoints', { waypoints: [] }],
    ['card', { name: 'Jane', face: 'iVBO' }],
    ['cmd', { action: 'reportLocation' }],
    ['steps', { tst: 1, steps: 9 }],
    ['status', {}],
    ['dump', { configuration: {} }],
    ['encrypted', { data: 'c2VjcmV0' }],
    ['something of next year', {}],
  ])('%s is left alone', (type, fields) => {
    expect(readOwnTracks({ _type: type, ...fields })).toEqual({ kind: 'other' });
  });

  test.each([[null], ['location'], [1], [[]], [{}], [{ lat: 1, lon: 2 }], [{ _type: 1 }], [[iphone]]])(
    '%j is no message of OwnTracks',
    (value) => {
      expect(readOwnTracks(value)).toEqual({ kind: 'malformed', problem: expect.any(String) });
    },
  );
});

describe('whom a message is from', () => {
  test.each([
    ['owntracks/jane/phone', 'jane'],
    ['/owntracks/jane/phone', 'jane'],
    ['owntracks/jane/phone/event', 'jane'],
    ['owntracks/jane', undefined],
    ['other/jane/phone', undefined],
    ['', undefined],
    [7, undefined],
    [undefined, undefined],
  ])('topic %j: %j', (topic, id) => {
    expect(readOwnTracks({ ...iphone, topic })).toMatchObject({ id });
  });
});

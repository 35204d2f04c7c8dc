import { describe, expect, test } from '@jest/globals';
import { readTraccarJson } from '../../shared/devices/traccar-json.ts';
import { parsePosition } from '../../shared/schemas/position.ts';

function parsed(value: unknown) {
  const message = readTraccarJson(value);
  if (message.kind !== 'position') throw new Error(`no position: ${JSON.stringify(message)}`);
  return parsePosition(message.position);
}

/** The examples of Traccar's own tests. */
const android = {
  location: {
    timestamp: '2025-06-15T13:45:12.862Z',
    coords: { latitude: 37.4219983, longitude: -122.084, accuracy: 5, speed: 0, heading: -1, altitude: 5 },
    is_moving: false,
    odometer: 0,
    event: 'motionchange',
    battery: { level: 1, is_charging: false },
    activity: { type: 'still' },
    extras: {},
    _: '&id=48241179&lat=37.4219983&lon=-122.084&timestamp=2025-06-15T13:45:12.862Z&',
  },
  device_id: '48241179',
};
const iphone = {
  location: {
    extras: {},
    mock: true,
    coords: {
      speed_accuracy: -1,
      speed: -1,
      longitude: -122.406417,
      ellipsoidal_altitude: 0,
      floor: null,
      heading_accuracy: -1,
      latitude: 37.785834000000001,
      accuracy: 5,
      altitude_accuracy: -1,
      altitude: 0,
      heading: -1,
    },
    is_moving: false,
    age: 188,
    odometer: 0,
    uuid: '2FB04C65-99CF-42AB-8DD3-EBCB4B108BF8',
    event: 'motionchange',
    battery: { level: -1, is_charging: false },
    activity: { type: 'unknown', confidence: 100 },
    timestamp: '2025-05-09T04:11:30.579Z',
  },
  device_id: '658765',
};
const moving = {
  location: {
    event: 'motionchange',
    is_moving: false,
    uuid: '0e9a2473-a9a7-4c00-997b-fb97d2154e75',
    timestamp: '2021-07-21T08:06:34.444Z',
    odometer: 0,
    coords: {
      latitude: -6.1148096,
      longitude: 106.6837015,
      accuracy: 3.8,
      speed: 18.67,
      speed_accuracy: 0.26,
      heading: 63,
      heading_accuracy: 0.28,
      altitude: 35.7,
      altitude_accuracy: 3.8,
    },
    activity: { type: 'still', confidence: 100 },
    battery: { is_charging: false, level: 0.79 },
    extras: {},
  },
  device_id: '8737767034',
};

describe("the examples of Traccar's own tests", () => {
  test('Android, standing: zero is zero, and -1 is unknown', () => {
    expect(readTraccarJson(android)).toMatchObject({ id: '48241179' });
    expect(parsed(android)).toEqual({
      position: {
        latitude: 37.4219983,
        longitude: -122.084,
        speed: 0,
        bearing: null,
        accuracy: 5,
        altitude: 5,
        battery: 100,
        recordedAt: Date.UTC(2025, 5, 15, 13, 45, 12, 862),
      },
    });
  });

  test('an iPhone that knows nothing but its place', () => {
    expect(readTraccarJson(iphone)).toMatchObject({ id: '658765' });
    expect(parsed(iphone)).toEqual({
      position: {
        latitude: 37.785834,
        longitude: -122.406417,
        speed: null,
        bearing: null,
        accuracy: 5,
        altitude: 0,
        battery: null,
        recordedAt: Date.UTC(2025, 4, 9, 4, 11, 30, 579),
      },
    });
  });

  test('moving: metres a second stay what they are, and a share becomes percent', () => {
    expect(readTraccarJson(moving)).toMatchObject({ id: '8737767034' });
    expect(parsed(moving)).toEqual({
      position: {
        latitude: -6.1148096,
        longitude: 106.6837015,
        speed: 18.67,
        bearing: 63,
        accuracy: 3.8,
        altitude: 35.7,
        battery: 79,
        recordedAt: Date.UTC(2021, 6, 21, 8, 6, 34, 444),
      },
    });
  });
});

const withLocation = (fields: object) => ({ device_id: '1', location: { ...android.location, ...fields } });
const withCoords = (fields: object) => withLocation({ coords: { ...android.location.coords, ...fields } });

test.each([
  [0, 0],
  [0.57, 57],
  [0.285, 28.5],
  [1, 100],
])('a battery level of %d is %d percent', (level, battery) => {
  expect(parsed(withLocation({ battery: { level } }))).toMatchObject({ position: { battery } });
});

test.each([
  ['a level above 1', withLocation({ battery: { level: 80 } }), 'battery'],
  ['no battery', withLocation({ battery: undefined }), 'battery'],
  ['a battery that is no object', withLocation({ battery: 'full' }), 'battery'],
  ['an accuracy of -1', withCoords({ accuracy: -1 }), 'accuracy'],
  ['a null', withCoords({ speed: null }), 'speed'],
])('%s is unknown', (_what, value, name) => {
  expect(parsed(value)).toMatchObject({ position: { latitude: 37.4219983, [name]: null } });
});

test.each([
  ['no coordinates', withLocation({ coords: undefined })],
  ['null for coordinates', withLocation({ coords: null })],
])('%s: a sign of life', (_what, value) => {
  expect(readTraccarJson(value)).toEqual({ kind: 'other' });
});

test.each([
  ['a latitude out of range', withCoords({ latitude: 91 }), '/latitude'],
  ['a latitude as text', withCoords({ latitude: '37' }), '/latitude'],
  ['no longitude', withCoords({ longitude: undefined }), '/longitude'],
  ['a speed as text', withCoords({ speed: 'fast' }), '/speed'],
  ['a time that is none', withLocation({ timestamp: 'noon' }), '/recordedAt'],
  ['a time without an offset', withLocation({ timestamp: '2025-06-15T13:45:12' }), '/recordedAt'],
])('%s is for the admission to refuse', (_what, value, path) => {
  expect(parsed(value)).toEqual({ errors: [expect.objectContaining({ path })] });
});

test.each([[null], [1], ['x'], [[]], [{}], [{ device_id: '1' }], [{ location: [] }], [{ location: 'here' }]])(
  '%j is no message of Traccar Client',
  (value) => {
    expect(readTraccarJson(value)).toEqual({ kind: 'malformed', problem: expect.any(String) });
  },
);

import { expect, test } from '@jest/globals';
import { positionMessage, receivedAtOf } from '../../shared/messages/positions.ts';

const logged = {
  driverId: 'driver-1',
  latitude: 1,
  longitude: 2,
  recordedAt: 1_764_000_000_123,
  receivedAt: 1_764_000_000_456,
  bearing: null,
  speed: null,
  accuracy: null,
  altitude: null,
  battery: null,
  tripId: null,
  timeAssigned: false,
};

test('the time of receipt is found in the message of a position, without parsing it', () => {
  for (const tripId of [null, 'trip-1'])
    expect(receivedAtOf(Buffer.from(JSON.stringify(positionMessage({ ...logged, tripId }))))).toBe(
      logged.receivedAt,
    );
});

test('and in nothing else', () => {
  for (const text of [
    '',
    '{}',
    '{"status":"ONLINE"}',
    '"receivedAt":"',
    '{"receivedAt":"yesterday"}',
    '{"receivedAt":1}',
  ])
    expect(receivedAtOf(Buffer.from(text))).toBeUndefined();
});

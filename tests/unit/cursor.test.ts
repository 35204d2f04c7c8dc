import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeCursor, encodeCursor, isTime } from '../../api/cursor.ts';
import { FleetcastError } from '../../shared/errors.ts';

const query = { driverId: 'driver-1', from: '1', to: undefined };
const time = fc.integer({ min: 0, max: 8.64e15 });

function refusal(cursor: string, asked: object = query): unknown {
  try {
    return decodeCursor(asked, cursor, isTime);
  } catch (error) {
    if (!(error instanceof FleetcastError)) throw error;
    return error.refusal;
  }
}

const refused = expect.objectContaining({
  code: 'INVALID_PARAMETER',
  errors: [{ path: 'cursor', message: expect.any(String) }],
});

describe('a cursor', () => {
  test('leads back to its place, and may stand in a URL as it is', () => {
    fc.assert(
      fc.property(time, (place) => {
        const cursor = encodeCursor(query, place);
        expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(decodeCursor(query, cursor, isTime)).toBe(place);
      }),
    );
  });

  test('of another query is refused', () => {
    const cursor = encodeCursor(query, 5);
    for (const other of [
      { ...query, driverId: 'driver-2' },
      { ...query, to: '9' },
      { ...query, from: undefined },
    ])
      expect(refusal(cursor, other)).toEqual(refused);
  });

  test('with another place in it, where it could not have been, is refused', () => {
    for (const place of [-1, 8.64e15 + 2, 1.5, '5', null, {}, [5]])
      expect(refusal(encodeCursor(query, place))).toEqual(refused);
  });

  test('that is any text is refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(refusal(text)).toEqual(refused);
        expect(refusal(Buffer.from(text).toString('base64url'))).toEqual(refused);
      }),
    );
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(refusal(Buffer.from(json).toString('base64url'))).toEqual(refused);
      }),
    );
  });
});

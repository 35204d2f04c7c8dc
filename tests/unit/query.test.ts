import { parse as parseQuery } from 'node:querystring';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Type } from 'typebox';
import { queryReader, queryTime } from '../../api/query.ts';
import { FleetcastError } from '../../shared/errors.ts';

const read = queryReader(
  Type.Object({
    latitude: Type.Number({ minimum: -90, maximum: 90 }),
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
    from: Type.Optional(Type.String({ format: 'time-or-ms' })),
  }),
);

/** The names of the wrong parameters; an empty list when all are good. */
function wrong(query: object): readonly string[] {
  try {
    read(query);
    return [];
  } catch (error) {
    if (!(error instanceof FleetcastError)) throw error;
    expect(error.refusal.code).toBe('INVALID_PARAMETER');
    return (error.refusal.errors ?? []).map(({ path }) => path).sort();
  }
}

describe('a query', () => {
  test('becomes numbers where numbers are wanted, and defaults where nothing is given', () => {
    expect(read({ latitude: '48.2', from: '5' })).toEqual({ latitude: 48.2, limit: 20, from: '5' });
    expect(read({ latitude: '-0.5e1', limit: '100' })).toEqual({ latitude: -5, limit: 100 });
  });

  test.each(['', ' ', '0x10', '1_0', '1,5', '1e400', 'NaN', 'Infinity', 'true', '--1', '1 2', '٣'])(
    '"%s" is no number',
    (latitude) => {
      expect(wrong({ latitude })).toEqual(['latitude']);
    },
  );

  test.each(['.5', '5.', '+5', ' 5', '-5', '05', '5e0'])('"%s" is one', (latitude) => {
    expect(wrong({ latitude })).toEqual([]);
  });

  test('with everything wrong is told everything', () => {
    expect(wrong({ limit: '0', from: 'x' })).toEqual(['from', 'latitude', 'limit']);
  });

  test('given twice is neither', () => {
    expect(wrong({ latitude: ['1', '2'], limit: ['1', '1'] })).toEqual(['latitude', 'limit']);
  });

  test('is not changed', () => {
    const query = Object.freeze({ latitude: '1' });
    read(query);
    expect(query).toEqual({ latitude: '1' });
  });

  test('of any text is read or refused, and never anything else', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        wrong(parseQuery(text));
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (latitude, from) => {
        const names = wrong({ latitude, from, ['__proto__']: from });
        expect(names.every((name) => ['latitude', 'from'].includes(name))).toBe(true);
      }),
    );
  });
});

describe('a time in a query', () => {
  const noon = Date.UTC(2026, 10, 23, 12);

  test.each([
    [String(noon)],
    ['2026-11-23T12:00:00Z'],
    ['2026-11-23T12:00:00.000Z'],
    ['2026-11-23T14:00:00+02:00'],
    ['2026-11-23T14:00:00 02:00'],
    ['2026-11-23T14:00 0200'],
    ['2026-11-23T07:00:00-05:00'],
  ])('may be written as %s', (text) => {
    expect(queryTime(text)).toBe(noon);
  });

  test.each(['', 'noon', '2026-11-23', '2026-11-23T12:00:00', '-1', '1.5', '1e12', '2026-02-30T00:00:00Z'])(
    'is not "%s"',
    (text) => {
      expect(queryTime(text)).toBeUndefined();
    },
  );
});

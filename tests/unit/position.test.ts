import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parsePosition, presentPosition } from '../../shared/schemas/position.ts';
import { parseIsoTime } from '../../shared/schemas/time.ts';

/** SPEC section 6, field by field. What is null counts as not sent. */
const rules: Record<string, (value: unknown) => boolean> = {
  latitude: (value) => isNumber(value) && value >= -90 && value <= 90,
  longitude: (value) => isNumber(value) && value >= -180 && value <= 180,
  bearing: orAbsent((value) => value >= 0 && value < 360),
  speed: orAbsent((value) => value >= 0),
  accuracy: orAbsent((value) => value >= 0),
  altitude: orAbsent(() => true),
  battery: orAbsent((value) => value >= 0 && value <= 100),
  recordedAt: (value) =>
    value === undefined ||
    value === null ||
    (typeof value === 'string' && parseIsoTime(value) !== undefined) ||
    (Number.isInteger(value) && Math.abs(value as number) <= 8.64e15),
};

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function orAbsent(rule: (value: number) => boolean) {
  return (value: unknown) => value === undefined || value === null || (isNumber(value) && rule(value));
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const wrongFields = (value: Record<string, unknown>) =>
  Object.keys(rules)
    .filter((field) => !rules[field]?.(value[field]))
    .map((field) => `/${field}`);

/** Mostly near what is right, and now and then anything at all. */
const field = (min: number, max: number) =>
  fc.oneof(
    { weight: 6, arbitrary: fc.double({ min: min - 1, max: max + 1, noNaN: true }) },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        min,
        max,
        -0,
        0,
        null,
        Number.POSITIVE_INFINITY,
        Number.NEGATIVE_INFINITY,
        5e-324,
        '1',
        true,
      ),
    },
    { weight: 1, arbitrary: fc.jsonValue() },
  );

const nearlyAPosition = fc.record(
  {
    latitude: field(-90, 90),
    longitude: field(-180, 180),
    bearing: field(0, 360),
    speed: field(0, 100),
    accuracy: field(0, 100),
    altitude: field(-400, 9000),
    battery: field(0, 100),
    recordedAt: fc.oneof(
      fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
      fc.integer({ min: -9e15, max: 9e15 }),
      fc.constantFrom(8.64e15, 8.64e15 + 2, 1.5, '', '2026-02-30T00:00:00Z', null, 1e21),
      fc.jsonValue(),
    ),
    unknown: fc.jsonValue(),
  },
  { requiredKeys: [] },
);

describe('any JSON value', () => {
  test('is a position when it keeps every rule of SPEC section 6, and else refused with the fields that break one', () => {
    fc.assert(
      fc.property(fc.oneof({ weight: 5, arbitrary: nearlyAPosition }, fc.jsonValue()), (value) => {
        const parsed = parsePosition(value);
        const wrong = isObject(value) ? wrongFields(value) : [''];
        const named = 'errors' in parsed ? [...new Set(parsed.errors.map(({ path }) => path))] : [];
        expect(named.toSorted()).toEqual(wrong.toSorted());
      }),
      { numRuns: 5000 },
    );
  });

  test('that is accepted is taken over to the last digit', () => {
    fc.assert(
      fc.property(nearlyAPosition, (value) => {
        const parsed = parsePosition(value);
        if ('errors' in parsed) return;
        const { recordedAt, ...numbers } = parsed.position;
        for (const [name, number] of Object.entries(numbers))
          expect(number).toBe((value as Record<string, unknown>)[name] ?? null);
        const given = value.recordedAt ?? null;
        expect(recordedAt).toBe(typeof given === 'string' ? parseIsoTime(given) : given);
        expect(Object.keys(parsed.position)).toHaveLength(Object.keys(rules).length);
      }),
      { numRuns: 2000 },
    );
  });
});

describe.each([
  ['null', 'null'],
  ['an array', '[1,2]'],
  ['a text', '"x"'],
  ['nested 10,000 deep', `${'['.repeat(10_000)}${']'.repeat(10_000)}`],
  ['NaN as text', '{"latitude":"NaN","longitude":0}'],
  ['infinite', '{"latitude":1e400,"longitude":0}'],
  ['a latitude beyond the pole', '{"latitude":91,"longitude":0}'],
  ['a longitude beyond the date line', '{"latitude":0,"longitude":181}'],
  ['a bearing of a full circle', '{"latitude":0,"longitude":0,"bearing":360}'],
  ['backwards', '{"latitude":0,"longitude":0,"speed":-1}'],
  ['numbers in arrays', '{"latitude":[1],"longitude":0}'],
  ['a position by prototype', '{"__proto__":{"latitude":1,"longitude":1}}'],
  ['a time without an offset', '{"latitude":0,"longitude":0,"recordedAt":"2026-11-23T17:30:00"}'],
  ['a day that is none', '{"latitude":0,"longitude":0,"recordedAt":"2026-02-30T00:00:00Z"}'],
  ['a time by halves', '{"latitude":0,"longitude":0,"recordedAt":1795455000000.5}'],
])('%s', (_name, text) => {
  test('is no position', () => {
    expect(parsePosition(JSON.parse(text))).toHaveProperty('errors');
  });
});

describe.each([
  ['what has only a place', '{"latitude":-90,"longitude":180}', {}],
  ['minus zero', '{"latitude":-0,"longitude":-0,"speed":-0,"bearing":-0}', { speed: -0 }],
  ['fields that nobody knows', '{"latitude":0,"longitude":0,"constructor":1,"toString":2,"__proto__":3}', {}],
  ['the last of two fields of one name', '{"latitude":91,"latitude":5,"longitude":0}', { latitude: 5 }],
  ['nulls', '{"latitude":0,"longitude":0,"speed":null,"recordedAt":null}', { speed: null, recordedAt: null }],
  ['milliseconds', '{"latitude":0,"longitude":0,"recordedAt":1795455000000}', { recordedAt: 1795455000000 }],
  [
    'the finest of fractions',
    '{"latitude":0,"longitude":0,"recordedAt":"2026-11-23T17:30:00.123999Z"}',
    { recordedAt: Date.parse('2026-11-23T17:30:00.123Z') },
  ],
])('%s', (_name, text, expected) => {
  test('is a position', () => {
    expect(parsePosition(JSON.parse(text))).toMatchObject({ position: expected });
  });
});

test('a position as it goes out is the same when it comes in again, without what was not sent', () => {
  const optional = (max: number) => fc.option(fc.double({ min: 0, max, noNaN: true }));
  const position = fc.record({
    latitude: fc.double({ min: -90, max: 90, noNaN: true }),
    longitude: fc.double({ min: -180, max: 180, noNaN: true }),
    bearing: optional(359.9),
    speed: optional(1e9),
    accuracy: optional(1e9),
    altitude: optional(1e308),
    battery: optional(100),
    recordedAt: fc.integer({ min: 0, max: Date.parse('9999-12-31T23:59:59.999Z') }),
  });
  fc.assert(
    fc.property(position, (given) => {
      const sent = JSON.stringify(presentPosition(given));
      expect(sent).not.toContain('null');
      const parsed = parsePosition(JSON.parse(sent));
      // JSON has no minus zero
      expect(JSON.stringify(parsed)).toBe(JSON.stringify({ position: { ...given } }));
    }),
  );
});

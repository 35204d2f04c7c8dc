import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseIsoTime } from '../../shared/schemas/time.ts';

const two = (value: number) => String(value).padStart(2, '0');
const three = (value: number) => String(value).padStart(3, '0');
const four = (value: number) => String(value).padStart(4, '0');

const anyDate = fc.date({
  min: new Date('0000-01-01T00:00:00.000Z'),
  max: new Date('9999-12-31T23:59:59.999Z'),
  noInvalidDate: true,
});

describe('an ISO 8601 time', () => {
  test('is read back as it was written, in every year of four digits', () => {
    fc.assert(
      fc.property(anyDate, (date) => {
        expect(parseIsoTime(date.toISOString())).toBe(date.getTime());
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    '0000-01-01T00:00:00.000Z',
    '0000-02-29T00:00:00.000Z',
    '0001-01-01T00:00:00.000Z',
    '0050-06-15T12:00:00.000Z',
    '0099-12-31T23:59:59.999Z',
    '0100-01-01T00:00:00.000Z',
    '1969-12-31T23:59:59.999Z',
    '2000-02-29T00:00:00.000Z',
    '9999-12-31T23:59:59.999Z',
  ])('%s is that instant', (text) => {
    expect(parseIsoTime(text)).toBe(new Date(text).getTime());
  });

  test('with an offset is the same instant in every place', () => {
    const offset = fc.record({ sign: fc.constantFrom(1, -1), hours: fc.nat(23), minutes: fc.nat(59) });
    fc.assert(
      fc.property(anyDate, offset, (date, { sign, hours, minutes }) => {
        const local = new Date(date.getTime() + sign * (hours * 60 + minutes) * 60_000);
        const text = local.toISOString().slice(0, -1);
        fc.pre(text.length === 23);
        const mark = sign < 0 ? '-' : '+';
        expect(parseIsoTime(`${text}${mark}${two(hours)}:${two(minutes)}`)).toBe(date.getTime());
        expect(parseIsoTime(`${text}${mark}${two(hours)}${two(minutes)}`)).toBe(date.getTime());
        if (minutes === 0) expect(parseIsoTime(`${text}${mark}${two(hours)}`)).toBe(date.getTime());
      }),
    );
  });

  test('is one exactly when the calendar and the clock know it', () => {
    const parts = fc.tuple(
      fc.oneof(fc.nat(9999), fc.constantFrom(0, 1900, 2000, 2023, 2024, 2100)),
      fc.nat(14),
      fc.nat(33),
      fc.nat(25),
      fc.nat(61),
      fc.nat(61),
      fc.nat(999),
    );
    fc.assert(
      fc.property(parts, ([year, month, day, hour, minute, second, millisecond]) => {
        const text = `${four(year)}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:${two(second)}.${three(millisecond)}Z`;
        const date = new Date(0);
        date.setUTCFullYear(year, month - 1, day);
        date.setUTCHours(hour, minute, second, millisecond);
        // A date that JavaScript had to correct is none: it is written otherwise
        const known =
          !Number.isNaN(date.getTime()) && date.getUTCFullYear() >= 0 && date.toISOString() === text;
        expect(parseIsoTime(text)).toBe(known ? date.getTime() : undefined);
      }),
      { numRuns: 5000 },
    );
  });

  test.each([
    ['2026-11-23T17:30Z', '2026-11-23T17:30:00.000Z'],
    ['2026-11-23T17:30:05Z', '2026-11-23T17:30:05.000Z'],
    ['2026-11-23T17:30:05.1Z', '2026-11-23T17:30:05.100Z'],
    ['2026-11-23T17:30:05,12Z', '2026-11-23T17:30:05.120Z'],
    ['2026-11-23t17:30:05.123456789z', '2026-11-23T17:30:05.123Z'],
    ['2026-11-23 17:30:05.9999Z', '2026-11-23T17:30:05.999Z'],
    ['2026-11-23T00:30:00+02:00', '2026-11-22T22:30:00.000Z'],
  ])('%s means %s', (text, instant) => {
    expect(parseIsoTime(text)).toBe(Date.parse(instant));
  });

  test.each([
    '',
    'now',
    '1700000000000',
    '2026-11-23',
    '2026-11-23T17:30:00',
    '2026-11-23T17Z',
    '2026-11-23T17:30:00.Z',
    '2026-11-23T17:30:00.1234567890Z',
    '2026-11-23T17:30:60Z',
    '2026-11-23T24:00:00Z',
    '2026-02-29T00:00:00Z',
    '2026-00-10T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-11-23T17:30:00+24:00',
    '2026-11-23T17:30:00+02:60',
    '2026-11-23T17:30:00 Z',
    ' 2026-11-23T17:30:00Z',
    '2026-11-23T17:30:00Z\n',
    '+002026-11-23T17:30:00Z',
    '-0001-11-23T17:30:00Z',
    '２０２６-11-23T17:30:00Z',
    '2026-11-23T17:30:00−02:00',
  ])('%j is none', (text) => {
    expect(parseIsoTime(text)).toBeUndefined();
  });
});

test('any text is either a whole number of milliseconds or no time', () => {
  const likely = fc.stringMatching(/^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.,]{0,16}[Zz+\-0-9:]{0,7}$/);
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), likely), (text) => {
      const time = parseIsoTime(text);
      expect(time === undefined || Number.isSafeInteger(time)).toBe(true);
    }),
    { numRuns: 3000 },
  );
});

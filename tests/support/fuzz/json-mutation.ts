import type { Choice } from './choice.ts';

/** As they stand in a text: many of them JSON.stringify would not write. */
const WILD_VALUES = [
  'null',
  'true',
  '-0',
  '1e400',
  '-1e400',
  '1e-400',
  'NaN',
  'Infinity',
  '91',
  '181',
  '-1',
  '360',
  '0.1e1',
  '012',
  '"48"',
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '[]',
  '{}',
  '[[[[1]]]]',
  '{"a":{"b":{}}}',
  '9007199254740993',
  '1764000000',
  '4102444800000',
  '"1970-01-01T00:00:00Z"',
  '"2026-02-30T00:00:00Z"',
  `"' or 1=1 --"`,
  `${'['.repeat(2000)}${']'.repeat(2000)}`,
  `"${'x'.repeat(3000)}"`,
];

const WILD_KEYS = [
  '__proto__',
  'constructor',
  'toString',
  '',
  'driverId',
  'receivedAt',
  'tripId',
  'x\\u0000',
];

/** One value, key or brace of a JSON text becomes another; the rest stays. What is no JSON comes out as it is. */
export function mutateJson(payload: Buffer, { pick, below, chance }: Choice): Buffer {
  const source = payload.toString();
  if (!source.startsWith('{') && !source.startsWith('[')) return payload;
  if (chance(0.1)) return Buffer.from(pick(WILD_VALUES));
  const entries = [...source.matchAll(/"([^"]*)":("[^"]*"|[^,{}[\]]+)/g)];
  const entry = entries[below(Math.max(1, entries.length))];
  if (entry === undefined) return Buffer.from(source.slice(0, below(source.length)));
  const [whole, key = '', value = ''] = entry;
  const changed = pick([
    `"${key}":${pick(WILD_VALUES)}`,
    `"${pick(WILD_KEYS)}":${value}`,
    // Twice the same key
    `${whole},"${key}":${pick(WILD_VALUES)}`,
    `${whole},"${pick(WILD_KEYS)}":${pick(WILD_VALUES)}`,
    '',
    `"${key}"`,
  ]);
  return Buffer.from(source.slice(0, entry.index) + changed + source.slice(entry.index + whole.length));
}

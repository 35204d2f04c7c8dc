import { describeError } from './error.ts';

/** Names of what is never in a log, wherever in an object it is (SPEC section 3). */
const SECRET = /token|passw|secret|authoriz|cookie|credential|private_?key|api_?key|^jwt$/i;

/** Names of what says where somebody is, or how it moves there. */
const PLACE = new Set([
  'latitude',
  'longitude',
  'lat',
  'lon',
  'lng',
  'bearing',
  'speed',
  'altitude',
  'accuracy',
  'coords',
  'coordinates',
  'point',
  'pickup',
  'dropoff',
]);

/** A message as it came. Of positions the number may be told. */
const CONTENT = new Set(['payload', 'body', 'position', 'positions', 'newest']);

const HIDDEN = '[Redacted]';

/** What nobody logs on purpose is not looked through to its end: whole connections hang on some objects. */
const MAX_DEPTH = 6;
const MAX_VALUES = 500;

function isHidden(name: string, value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (CONTENT.has(name)) return typeof value !== 'number';
  return PLACE.has(name) || SECRET.test(name);
}

/** What is logged beside the message, without secrets and places. pino's `formatters.log`. */
export function withoutSecrets(fields: Record<string, unknown>): Record<string, unknown> {
  let left = MAX_VALUES;
  const shown = (value: unknown, depth: number): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    if (value instanceof Error) return describeError(value);
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (depth >= MAX_DEPTH || left <= 0) return '[…]';
    if (Array.isArray(value)) return value.map((item) => shownOnce(item, depth));
    const { toJSON } = value as { toJSON?: () => unknown };
    if (typeof toJSON === 'function') return shown(toJSON.call(value), depth + 1);
    return Object.fromEntries(
      Object.entries(value).map(([name, own]) => [
        name,
        isHidden(name, own) ? HIDDEN : shownOnce(own, depth),
      ]),
    );
  };
  const shownOnce = (value: unknown, depth: number) => {
    left--;
    return shown(value, depth + 1);
  };
  return shown(fields, 0) as Record<string, unknown>;
}

/** In a text: the message of an error, or an address, of whoever it is. */
const IN_TEXT: readonly [pattern: RegExp, instead: string][] = [
  // The user and password of an address
  [/:\/\/[^\s"\\/?#]*@/g, '://…@'],
  [/\beyJ[\w-]{8,}(?:\.[\w-]*){1,2}/g, '[token]'],
  [/\b(Bearer|Basic) +[\w.~+/=-]{8,}/gi, '$1 …'],
  [
    /([?&](?:token|access_token|password|sslpassword|secret|lat|lon|lng|latitude|longitude|location)=)[^&\s"\\]*/gi,
    '$1…',
  ],
];

/** A whole line, as JSON, just before it is written: the last look, at what stands in texts. pino's `hooks.streamWrite`. */
export function withoutSecretTexts(line: string): string {
  let shown = line;
  for (const [pattern, instead] of IN_TEXT) shown = shown.replace(pattern, instead);
  return shown;
}

export const DAY_MS = 86_400_000;

/** The last instant of the year 9999, epoch ms: RFC 3339 writes none after it. */
export const LAST_MS = 253_402_300_799_999;

/** How far a device's clock may be ahead of ours (SPEC section 5). */
export const MAX_FUTURE_MS = 60_000;

/** `YYYY-MM-DDTHH:MM[:SS[.fraction]]` with an offset (`Z`, `+02:00`, `+0200`, `+02`): ISO 8601, as RFC 3339 and a little more. */
const isoTime =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:[Zz]|([+-])(\d{2})(?::?(\d{2}))?)$/;

/** Date.UTC takes the years 0 to 99 for 1900 to 1999, hence the detour by one whole cycle of the calendar. */
const CYCLE_YEARS = 400;
const CYCLE_MS = 146_097 * 86_400_000;

const daysInMonth = (year: number, month: number) =>
  new Date(Date.UTC(year + CYCLE_YEARS, month, 0)).getUTCDate();

/**
 * Epoch milliseconds of an ISO 8601 time; undefined when it is none. An offset is required: a time without one
 * means another instant in every place. Anything below a millisecond is cut off, so that a resent position has
 * the same time. Date.parse alone would take 30 February for 2 March.
 */
export function parseIsoTime(text: string): number | undefined {
  const match = isoTime.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute] = match.slice(1, 6).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const second = Number(match[6] ?? 0);
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const milliseconds = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const offsetHours = Number(match[9] ?? 0);
  const offsetMinutes = Number(match[10] ?? 0);
  if (offsetHours > 23 || offsetMinutes > 59) return undefined;
  const offset = (match[8] === '-' ? -1 : 1) * (offsetHours * 60 + offsetMinutes) * 60_000;
  return Date.UTC(year + CYCLE_YEARS, month - 1, day, hour, minute, second, milliseconds) - CYCLE_MS - offset;
}

/** Epoch ms of what fits `instantSchema`; undefined: it does not. */
export function instantOf(value: string | number): number | undefined {
  const time = typeof value === 'number' ? value : parseIsoTime(value);
  return time !== undefined && time >= 0 && time <= LAST_MS ? time : undefined;
}

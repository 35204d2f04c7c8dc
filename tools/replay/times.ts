import { parseIsoTime } from '../../shared/schemas/time.ts';

/** `YYYY-MM-DD`, `T` or blanks, and the rest; an offset may follow after a blank. */
const calendar = /^(\d{4}-\d{2}-\d{2})(?:[Tt]|\s+)(\d{2}:\d{2}[\d:.,]*)\s*([Zz]|UTC|[+-]\d{2}(?::?\d{2})?)?$/;

const epoch = /^\d+(?:\.\d*)?(?:[eE]\+?\d+)?$/;

/**
 * Numbers below are epoch seconds, from here on milliseconds: as seconds it is the year 5138, as milliseconds
 * March 1973, and no track lies beyond either.
 */
const FIRST_MILLISECONDS = 1e11;

/** The same border for milliseconds: what is greater is micro- or nanoseconds, or no time at all. */
const MAX_MILLISECONDS = 1e14;

/**
 * Epoch milliseconds (whole) of a recorded time: ISO 8601, `YYYY-MM-DD HH:MM:SS.sss`, epoch seconds or epoch
 * milliseconds. A time without an offset is taken as UTC. undefined: it is none of these.
 */
export function parseTime(text: string): number | undefined {
  const trimmed = text.trim();
  if (epoch.test(trimmed)) {
    const value = Number(trimmed);
    if (value >= MAX_MILLISECONDS) return undefined;
    return Math.round(value < FIRST_MILLISECONDS ? value * 1000 : value);
  }
  const match = calendar.exec(trimmed);
  if (match === null) return undefined;
  const [, date, time, offset = 'Z'] = match;
  return parseIsoTime(`${date}T${time}${offset === 'UTC' ? 'Z' : offset}`);
}

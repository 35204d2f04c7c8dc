import { createHash } from 'node:crypto';
import { invalidParameters } from './query.ts';

/** What a page's query asked for, in short: a cursor is good for the same query only. */
const fingerprint = (query: object) =>
  createHash('sha256').update(JSON.stringify(query)).digest('base64url').slice(0, 11);

/** ECMA-262, 21.4.1.1: the last instant of a Date, which PostgreSQL's timestamps hold as well. Positions are epoch ms. */
const MAX_POSITION = 8.64e15;

/** Where a page of positions begins: the time of the one before. */
export const isTime = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_POSITION;

/** Where the next page of a query begins, as opaque text. */
export function encodeCursor(query: object, position: unknown): string {
  return Buffer.from(JSON.stringify([position, fingerprint(query)])).toString('base64url');
}

/** @throws a refusal when the cursor was not made here, or for another query */
export function decodeCursor<T>(
  query: object,
  cursor: string,
  holds: (position: unknown) => position is T,
): T {
  try {
    const [position, made] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as [unknown, unknown];
    if (holds(position) && made === fingerprint(query)) return position;
  } catch {
    // Not one of ours: told below
  }
  throw invalidParameters([{ path: '/cursor', message: 'is not a cursor of this query' }]);
}

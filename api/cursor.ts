import { createHash } from 'node:crypto';
import { invalidParameters } from './query.ts';

/** What a page's query asked for, in short: a cursor is good for the same query only. */
const fingerprint = (query: object) =>
  createHash('sha256').update(JSON.stringify(query)).digest('base64url').slice(0, 11);

/** Where the next page of a query begins, as opaque text. */
export function encodeCursor(query: object, position: number): string {
  return Buffer.from(JSON.stringify([position, fingerprint(query)])).toString('base64url');
}

/** @throws a refusal when the cursor was not made here, or for another query */
export function decodeCursor(query: object, cursor: string): number {
  try {
    const [position, made] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as [unknown, unknown];
    if (typeof position === 'number' && Number.isSafeInteger(position) && made === fingerprint(query))
      return position;
  } catch {
    // Not one of ours: told below
  }
  throw invalidParameters([{ path: '/cursor', message: 'is not a cursor of this query' }]);
}

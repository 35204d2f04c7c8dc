import { type Rest, RestError } from '../rest.ts';

/** Trips of these statuses would keep a driver or a rider of ours busy. */
const unfinished = ['PENDING', 'EN_ROUTE', 'ARRIVED', 'IN_PROGRESS'] as const;

const PAGE = 100;

/**
 * Cancels what an earlier run of the same drivers and riders has left behind.
 * @returns how many trips that were
 */
export async function endLeftovers(rest: Rest, token: string, ours: ReadonlySet<unknown>): Promise<number> {
  let ended = 0;
  for (const status of unfinished) {
    for (let cursor: unknown = ''; typeof cursor === 'string'; ) {
      const query = `status=${status}&limit=${PAGE}${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;
      const path = `/v1/trips?${query}`;
      const { status: answer, body } = await rest.request(token, 'GET', path);
      if (answer !== 200) throw new RestError('GET', path, `${answer} ${body.code ?? ''}`);
      const trips = (Array.isArray(body.items) ? body.items : []) as Readonly<Record<string, unknown>>[];
      for (const { id } of trips.filter(({ driverId, riderId }) => ours.has(driverId) || ours.has(riderId))) {
        const change = { status: 'CANCELLED', reason: 'left behind by a simulation' };
        await rest.request(token, 'PATCH', `/v1/trips/${id}/status`, change);
        ended++;
      }
      cursor = body.nextCursor;
    }
  }
  return ended;
}

import { token } from '../support/platform.ts';
import { inTurn } from './load/in-turn.ts';

export type BookedPair = { driverId: string; riderId: string; tripId: string };

/** Requests under way at a time. */
const CONCURRENT_REQUESTS = 16;

/** A trip that is EN_ROUTE for each pair, over REST as a booking service does it. */
export async function bookTrips(restUrl: string, count: number, prefix: string): Promise<BookedPair[]> {
  const authorization = `Bearer ${await token('SERVICE', 'bench')}`;
  const call = async (method: string, path: string, body: object): Promise<{ id: string }> => {
    const response = await fetch(`${restUrl}${path}`, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as { id: string };
  };
  return inTurn(Array.from({ length: count }), CONCURRENT_REQUESTS, async (_, index) => {
    const [driverId, riderId] = [`${prefix}-driver-${index}`, `${prefix}-rider-${index}`];
    const pickup = { latitude: 48.2, longitude: 16.37 };
    const dropoff = { latitude: 48.22, longitude: 16.4 };
    const { id: tripId } = await call('POST', '/v1/trips', { riderId, driverId, pickup, dropoff });
    await call('PATCH', `/v1/trips/${tripId}/status`, { status: 'EN_ROUTE' });
    return { driverId, riderId, tripId };
  });
}

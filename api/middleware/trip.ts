import type { Identity } from '../../shared/auth/identity.ts';
import type { Runner } from '../../shared/database/index.ts';
import { uuidPattern } from '../../shared/ids.ts';
import { findTrip } from '../../shared/trips/sql/find-trip.ts';
import { type Party, partyOf } from '../../shared/trips/status.ts';
import type { Trip } from '../../shared/trips/trip.ts';
import { refuse } from '../problem.ts';

/** Also for a trip that is somebody else's: that it exists is nobody's business (SPEC section 8). */
export const tripNotFound = () => refuse({ code: 'TRIP_NOT_FOUND', message: 'there is no such trip' });

/** What the user is to the trip. @throws TRIP_NOT_FOUND when it is nothing; a VIEWER follows, and does no more */
export async function tripFor(
  runner: Runner,
  identity: Identity,
  tripId: string,
): Promise<{ trip: Trip; party: Exclude<Party, 'viewer'> }> {
  const trip = uuidPattern.test(tripId) ? await findTrip(runner, tripId) : undefined;
  const party = trip && partyOf(identity, trip);
  if (trip === undefined || party === undefined || party === 'viewer') throw tripNotFound();
  return { trip, party };
}

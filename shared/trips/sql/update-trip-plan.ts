import type { Runner } from '../../database/index.ts';
import type { Place, Trip } from '../trip.ts';
import { type TripRow, tripColumns, tripOf } from './trip-row.ts';

export type TripPlan = { driverId: string | null; pickup: Place; dropoff: Place };

/** Changes who drives a locked trip, or from where to where. */
export async function updateTripPlan(runner: Runner, tripId: string, plan: TripPlan): Promise<Trip> {
  const row = await runner.one<TripRow>(
    `update trip_tracking
        set driver_id = $(driverId), version = version + 1, updated_at = clock_timestamp(),
            pickup = st_setsrid(st_makepoint($(pickup.longitude), $(pickup.latitude)), 4326)::geography,
            pickup_address = $(pickupAddress),
            dropoff = st_setsrid(st_makepoint($(dropoff.longitude), $(dropoff.latitude)), 4326)::geography,
            dropoff_address = $(dropoffAddress)
      where id = $(tripId)
      returning ${tripColumns}`,
    {
      tripId,
      ...plan,
      pickupAddress: plan.pickup.address ?? null,
      dropoffAddress: plan.dropoff.address ?? null,
    },
  );
  return tripOf(row);
}

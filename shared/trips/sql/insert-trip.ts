import type { Runner } from '../../database/index.ts';
import type { Place, Trip } from '../trip.ts';
import { type TripRow, tripColumns, tripOf } from './trip-row.ts';

export type NewTrip = {
  riderId: string;
  driverId: string | null;
  pickup: Place;
  dropoff: Place;
  metadata: object;
};

export async function insertTrip(runner: Runner, trip: NewTrip): Promise<Trip> {
  const row = await runner.one<TripRow>(
    `insert into trip_tracking (rider_id, driver_id, pickup, pickup_address, dropoff, dropoff_address, metadata)
     values ($(riderId), $(driverId),
             st_setsrid(st_makepoint($(pickup.longitude), $(pickup.latitude)), 4326)::geography, $(pickupAddress),
             st_setsrid(st_makepoint($(dropoff.longitude), $(dropoff.latitude)), 4326)::geography, $(dropoffAddress),
             $(metadata:json))
     returning ${tripColumns}`,
    { ...trip, pickupAddress: trip.pickup.address ?? null, dropoffAddress: trip.dropoff.address ?? null },
  );
  return tripOf(row);
}

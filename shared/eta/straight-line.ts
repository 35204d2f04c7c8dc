import { BoundedMap } from '../bounded-map.ts';
import { distanceMeters } from '../geo.ts';
import type { EtaEstimator } from './index.ts';
import { PRIOR_METERS_PER_SECOND, SmoothedSpeed } from './smoothed-speed.ts';

/**
 * Length of the way by road over that of the straight line, as measured on recorded city tracks with
 * tools/eta-accuracy. The literature has the same for cities (G. F. Newell, "Traffic Flow on Transportation
 * Networks", 1980: about 1.2).
 */
export const DEFAULT_DETOUR_FACTOR = 1.2;

/**
 * Several times the drivers that one process serves. Beyond, those not heard of for longest are forgotten and start
 * again from the prior; about 25 MB at most.
 */
const MAX_DRIVERS = 50_000;

/** From the straight line to the target, lengthened by a detour factor, at the driver's own smoothed speed. */
export function createStraightLineEta({ detourFactor }: { detourFactor: number }): EtaEstimator {
  const speeds = new BoundedMap<SmoothedSpeed>(MAX_DRIVERS);
  return {
    observe(driverId, position) {
      const speed = speeds.get(driverId);
      if (speed === undefined) speeds.set(driverId, new SmoothedSpeed(position));
      else speed.observe(position);
    },
    estimate({ driverId, from, to }) {
      const meters = distanceMeters(from, to) * detourFactor;
      const metersPerSecond = speeds.get(driverId)?.metersPerSecond ?? PRIOR_METERS_PER_SECOND;
      return { seconds: Math.round(meters / metersPerSecond), meters: Math.round(meters) };
    },
    forget(_tripId, driverId) {
      speeds.delete(driverId);
    },
    stop() {
      speeds.clear();
    },
  };
}

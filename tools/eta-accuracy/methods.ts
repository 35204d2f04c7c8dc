import type { Eta, ObservedPosition } from '../../shared/eta/index.ts';
import { PRIOR_METERS_PER_SECOND } from '../../shared/eta/smoothed-speed.ts';
import { createStraightLineEta } from '../../shared/eta/straight-line.ts';
import { distanceMeters } from '../../shared/geo.ts';
import type { RecordedTrip } from './trips.ts';

/** A way to estimate. It sees the positions of one trip in their order and begins anew with each. */
export type Method = {
  name: string;
  begin(trip: RecordedTrip): (position: ObservedPosition) => Eta;
};

/** The platform's own. */
export function ownMethod(detourFactor: number): Method {
  return {
    name: "Fleetcast: the driver's own smoothed speed",
    begin({ track, target }) {
      const estimator = createStraightLineEta({ detourFactor });
      return (position) => {
        estimator.observe(track, position);
        return estimator.estimate({ tripId: track, driverId: track, from: position, to: target });
      };
    },
  };
}

/** The same way at a speed that is told by the present position alone. */
function memoryless(name: string, detourFactor: number, speedAt: (p: ObservedPosition) => number): Method {
  return {
    name,
    begin: ({ target }) => {
      return (position) => {
        const meters = distanceMeters(position, target) * detourFactor;
        return { meters, seconds: meters / speedAt(position) };
      };
    },
  };
}

const CITY_KMH = 18;
const NAVIGATION_KMH = 30;
const CRAWL_METERS_PER_SECOND = 2;

const kmh = (metersPerSecond: number) => `${Math.round(metersPerSecond * 3.6)} km/h`;

/** What the platform's own is measured against: without memory of how the driver drove. */
export function baselines(detourFactor: number): Method[] {
  const fixed = (metersPerSecond: number) =>
    memoryless(`always ${kmh(metersPerSecond)}`, detourFactor, () => metersPerSecond);
  return [
    memoryless(
      `the speed of the moment, ${kmh(CRAWL_METERS_PER_SECOND)} at least`,
      detourFactor,
      ({ speed }) => Math.max(CRAWL_METERS_PER_SECOND, speed ?? 0),
    ),
    fixed(PRIOR_METERS_PER_SECOND),
    fixed(CITY_KMH / 3.6),
    fixed(NAVIGATION_KMH / 3.6),
  ];
}

import type { Spot } from '../city/geometry.ts';

/** One point of the line that a car follows, and what holds from here to the next. */
export type RoutePoint = Spot & {
  /** Metres from the start. */
  along: number;
  /** m/s that the driver likes to go from here on. */
  cruise: number;
  /** m/s at this point at most, so that everything ahead can be kept with gentle braking. */
  cap: number;
  /** Seconds that the car stands here: a red light. */
  wait: number;
  /** The address that lies here. */
  address: number | undefined;
};

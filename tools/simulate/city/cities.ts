import type { Place } from './geometry.ts';

export type City = {
  centre: Place;
  /** Metres from end to end, both ways. */
  extent: number;
  /** Metres from street to street. */
  block: number;
  /** Degrees by which the streets are turned, counter-clockwise. */
  rotation: number;
  /** Metres by which an avenue leaves the straight line. */
  curvature: number;
  /** Metres after which an avenue's curve comes again. */
  curveLength: number;
  /** Share of blocks without a street along one side. */
  gaps: number;
};

/** Real centres and the look of the real streets; no street is a real one. */
export const cities = {
  athens: {
    centre: { latitude: 37.9838, longitude: 23.7275 },
    extent: 4_000,
    block: 90,
    rotation: 24,
    curvature: 45,
    curveLength: 900,
    gaps: 0.12,
  },
  sf: {
    centre: { latitude: 37.7749, longitude: -122.4294 },
    extent: 4_000,
    block: 125,
    rotation: -9,
    curvature: 8,
    curveLength: 1_600,
    gaps: 0.05,
  },
} as const satisfies Record<string, City>;

export type CityName = keyof typeof cities;

export const cityNames = Object.keys(cities) as CityName[];

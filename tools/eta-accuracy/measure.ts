import type { Method } from './methods.ts';
import type { RecordedTrip } from './trips.ts';

/** By how much time was really left. */
export const bands = [
  { name: 'all', from: 0, to: Number.POSITIVE_INFINITY },
  { name: '0-1 min', from: 0, to: 60 },
  { name: '1-3 min', from: 60, to: 180 },
  { name: '3-5 min', from: 180, to: 300 },
  { name: '5+ min', from: 300, to: Number.POSITIVE_INFINITY },
] as const;

/** Medians over the estimates of a band; undefined where there is none. */
export type BandAccuracy = {
  estimates: number;
  seconds: number | undefined;
  /** Of the time that was really left. */
  percent: number | undefined;
  /** What is over the truth less what is under it: which way the estimates lean. */
  leanSeconds: number | undefined;
  /** Of the distance that was really left. */
  distancePercent: number | undefined;
};

type Sample = { really: number; error: number; distanceShare: number };

/** undefined of nothing. Of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const low = sorted[Math.ceil(sorted.length / 2) - 1];
  const high = sorted[Math.floor(sorted.length / 2)];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

/** Lets a method estimate at every moment of every trip. A result for each of `bands`. */
export function measure(method: Method, trips: readonly RecordedTrip[]): BandAccuracy[] {
  const samples: Sample[] = [];
  for (const trip of trips) {
    const estimate = method.begin(trip);
    for (const { position, remainingSeconds, remainingMeters } of trip.moments) {
      const { seconds, meters } = estimate(position);
      samples.push({
        really: remainingSeconds,
        error: seconds - remainingSeconds,
        distanceShare: Math.abs(meters - remainingMeters) / remainingMeters,
      });
    }
  }
  return bands.map(({ from, to }) => accuracy(samples.filter(({ really }) => really > from && really <= to)));
}

function accuracy(samples: readonly Sample[]): BandAccuracy {
  const medianOf = (value: (sample: Sample) => number) => median(samples.map(value));
  return {
    estimates: samples.length,
    seconds: medianOf(({ error }) => Math.abs(error)),
    percent: medianOf(({ error, really }) => (100 * Math.abs(error)) / really),
    leanSeconds: medianOf(({ error }) => error),
    distancePercent: medianOf(({ distanceShare }) => 100 * distanceShare),
  };
}

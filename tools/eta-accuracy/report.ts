import { type BandAccuracy, bands, measure } from './measure.ts';
import { baselines, ownMethod } from './methods.ts';
import type { RecordedTrip } from './trips.ts';

const NAME_WIDTH = 44;
const COLUMN_WIDTH = 16;

const row = (name: string, cells: readonly string[]) =>
  `${name.padEnd(NAME_WIDTH)}${cells.map((cell) => cell.padStart(COLUMN_WIDTH)).join('')}`.trimEnd();

const whole = (value: number | undefined, unit: string) =>
  value === undefined ? '-' : `${Math.round(value)} ${unit}`;

const signed = (value: number | undefined) =>
  value === undefined ? '-' : `${value > 0 ? '+' : ''}${Math.round(value)} s`;

const times = (results: readonly BandAccuracy[]) =>
  results.map(({ seconds, percent }) => `${whole(seconds, 's')}, ${whole(percent, '%')}`);

function table(title: string, trips: readonly RecordedTrip[], detourFactor: number): string[] {
  const own = ownMethod(detourFactor);
  const results = measure(own, trips);
  return [
    row(
      title,
      bands.map(({ name }) => name),
    ),
    row(
      '  estimates',
      results.map(({ estimates }) => String(estimates)),
    ),
    row(`  ${own.name}`, times(results)),
    ...baselines(detourFactor).map((method) => row(`  ${method.name}`, times(measure(method, trips)))),
    row(
      '  Fleetcast leans by',
      results.map(({ leanSeconds }) => signed(leanSeconds)),
    ),
    row(
      '  Fleetcast: distance',
      results.map(({ distancePercent }) => whole(distancePercent, '%')),
    ),
  ];
}

/**
 * Lines to print: for all tracks and for each half of them (every other track), the median absolute error of the
 * estimated time in seconds and percent, by how much time was really left. The halves show whether figures that are
 * tuned on the one hold for the other.
 */
export function reportLines(trips: readonly RecordedTrip[], detourFactor: number): string[] {
  const half = (odd: number) => trips.filter((_trip, index) => index % 2 === odd);
  return [
    `median error of the time left, over ${trips.length} tracks; way = straight line x ${detourFactor}`,
    '',
    ...table('all tracks', trips, detourFactor),
    '',
    ...table('1st, 3rd, 5th, ... track', half(0), detourFactor),
    '',
    ...table('2nd, 4th, 6th, ... track', half(1), detourFactor),
  ];
}

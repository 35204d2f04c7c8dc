import type { Tally } from './tally.ts';

/** What a rejection mostly means for a replay, and the way out. */
const hints: Readonly<Record<string, string>> = {
  RATE_LIMITED:
    'the track is denser than the platform takes from a driver: LOCATION_MIN_INTERVAL_MS=0 there lets it through',
  TOO_OLD: 'the recording is older than the history that is kept: --shift-to-now moves it to today',
  IN_FUTURE: 'the recording lies ahead of the clock of the platform: --shift-to-now moves it to today',
  FORBIDDEN:
    'the token may not send for these drivers: give that of a SERVICE, or of the DRIVER with --driver',
};

const milliseconds = (value: number | undefined) => (value === undefined ? '-' : `${value.toFixed(1)} ms`);

const line = (name: string, value: string | number) => `${name.padEnd(22)} ${value}`;

/** The last lines: what was in the file, what became of it, how fast. */
export function summaryLines(tally: Tally, positionsInFile: number, drivers: number): string[] {
  const codes = [...tally.rejected].sort(([, a], [, b]) => b - a);
  const rate = tally.seconds === 0 ? '-' : Math.round(tally.acknowledged / tally.seconds);
  return [
    line('positions in the file', `${positionsInFile}${drivers > 1 ? `, ${drivers} drivers` : ''}`),
    line('sent', tally.sent === tally.total ? tally.sent : `${tally.sent} of ${tally.total}`),
    line('acknowledged', tally.acknowledged),
    line(
      'rejected',
      codes.length === 0
        ? 0
        : `${tally.rejectedCount} (${codes.map(([code, count]) => `${code} ${count}`).join(', ')})`,
    ),
    line('reconnects', tally.reconnects),
    line('seconds', tally.seconds.toFixed(1)),
    line('positions/s', rate),
    line(
      'publish to PUBACK',
      `p50 ${milliseconds(tally.latencyMs(50))}, p99 ${milliseconds(tally.latencyMs(99))}`,
    ),
    ...codes.flatMap(([code]) => (hints[code] === undefined ? [] : [`${code}: ${hints[code]}`])),
  ];
}

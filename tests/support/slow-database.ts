import type { LoggedPosition, Outcome } from '../../shared/position-log/index.ts';

export const position = (recordedAt: number, receivedAt = recordedAt): LoggedPosition => ({
  driverId: 'driver-1',
  recordedAt,
  receivedAt,
  latitude: 48,
  longitude: 16,
  bearing: null,
  speed: null,
  accuracy: null,
  altitude: null,
  battery: null,
  tripId: null,
  timeAssigned: false,
});

/** Positions from, from + 1, … */
export const range = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => position(from + index));

export const timesOf = (positions: readonly LoggedPosition[]) =>
  positions.map(({ recordedAt }) => recordedAt);

/** A database that answers when it is told to. What it makes of a position depends on that alone. */
export class SlowDatabase {
  readonly batches: number[][] = [];
  private readonly waiting: { resolve(outcomes: Outcome[]): void; reject(error: Error): void }[] = [];

  static outcome(recordedAt: number): Outcome {
    if (recordedAt % 7 === 3) return 'duplicate';
    return recordedAt % 11 === 5 ? 'INVALID_PAYLOAD' : 'accepted';
  }

  write = (positions: readonly LoggedPosition[]): Promise<readonly Outcome[]> => {
    const times = timesOf(positions);
    this.batches.push(times);
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve: () => resolve(times.map(SlowDatabase.outcome)), reject });
    });
  };

  get underWay(): number {
    return this.waiting.length;
  }

  async commit(): Promise<void> {
    this.waiting.shift()?.resolve([]);
    await settled();
  }

  async fail(): Promise<void> {
    this.waiting.shift()?.reject(new Error('away'));
    await settled();
  }
}

/** All that follows from what has been done so far has happened. */
export const settled = async () => {
  for (let turns = 0; turns < 20; turns++) await Promise.resolve();
};

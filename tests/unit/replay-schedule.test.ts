import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { releaseOnTime } from '../../tools/replay/release.ts';
import { dueAfterMs, durationMs, shiftMs, type Timeline } from '../../tools/replay/schedule.ts';

const epoch = fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) });
const speed = fc.oneof(
  fc.constant(Number.POSITIVE_INFINITY),
  fc.double({ min: 0.01, max: 1000, noNaN: true }),
);

/** Track times in order, with the timeline they make. */
const replays = fc
  .tuple(epoch, fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 50 }), speed, epoch)
  .map(([firstMs, gaps, factor, startWallMs]) => {
    const times = [firstMs];
    for (const gap of gaps) times.push((times.at(-1) ?? firstMs) + gap);
    const timeline: Timeline = { firstMs, lastMs: times.at(-1) ?? firstMs, speed: factor };
    return { times, timeline, startWallMs };
  });

describe('the schedule', () => {
  test('starts with the first position and ends with the last', () => {
    const timeline = { firstMs: 1000, lastMs: 61_000, speed: 10 };
    expect(dueAfterMs(timeline, 1000)).toBe(0);
    expect(dueAfterMs(timeline, 31_000)).toBe(3000);
    expect(durationMs(timeline)).toBe(6000);
  });

  test('has everything due at once at greatest speed', () => {
    expect(durationMs({ firstMs: 0, lastMs: 1e12, speed: Number.POSITIVE_INFINITY })).toBe(0);
  });

  test('keeps the order of the track times', () => {
    fc.assert(
      fc.property(replays, ({ times, timeline }) => {
        const due = times.map((time) => dueAfterMs(timeline, time));
        expect(due).toEqual([...due].sort((a, b) => a - b));
        expect(Math.min(...due)).toBe(0);
      }),
    );
  });
});

describe('tracks shifted to now', () => {
  test('end at the wall time at which the last position is sent', () => {
    const timeline = { firstMs: 5000, lastMs: 65_000, speed: 20 };
    expect(timeline.lastMs + shiftMs(timeline, 1_000_000)).toBe(1_003_000);
  });

  test('in slow motion begin at the wall time at which the first position is sent', () => {
    const timeline = { firstMs: 5000, lastMs: 65_000, speed: 0.5 };
    expect(timeline.firstMs + shiftMs(timeline, 1_000_000)).toBe(1_000_000);
  });

  test('never lie in the future when they are sent', () => {
    fc.assert(
      fc.property(replays, ({ times, timeline, startWallMs }) => {
        const shift = shiftMs(timeline, startWallMs);
        // A thousandth of a millisecond is left to floating point.
        for (const time of times)
          expect(time + shift).toBeLessThanOrEqual(startWallMs + dueAfterMs(timeline, time) + 0.001);
      }),
    );
  });

  test('have their last position within a millisecond of its sending, from normal speed on', () => {
    fc.assert(
      fc.property(replays, ({ timeline, startWallMs }) => {
        fc.pre(timeline.speed >= 1);
        const sentAt = startWallMs + durationMs(timeline);
        expect(sentAt - (timeline.lastMs + shiftMs(timeline, startWallMs))).toBeLessThan(1.001);
      }),
    );
  });

  test('keep the spacing of their positions to the millisecond', () => {
    fc.assert(
      fc.property(replays, ({ times, timeline, startWallMs }) => {
        const shift = shiftMs(timeline, startWallMs);
        expect(Number.isInteger(shift)).toBe(true);
        const shifted = times.map((time) => time + shift);
        expect(shifted.map((time) => time - (shifted[0] ?? 0))).toEqual(
          times.map((time) => time - timeline.firstMs),
        );
      }),
    );
  });
});

describe('the release of positions', () => {
  const given = (dues: number[]) =>
    new Promise<{ due: number; after: number }[]>((resolve) => {
      const startedAt = performance.now();
      const released: { due: number; after: number }[] = [];
      releaseOnTime(
        dues,
        (due) => due,
        (due) => {
          released.push({ due, after: performance.now() - startedAt });
          if (released.length === dues.length) resolve(released);
        },
      );
    });

  test('gives each in order and none before its time', async () => {
    const released = await given([0, 0, 15, 15, 40, 60]);
    expect(released.map(({ due }) => due)).toEqual([0, 0, 15, 15, 40, 60]);
    for (const { due, after } of released) expect(after).toBeGreaterThanOrEqual(due);
  });

  test('gives nothing more once stopped', async () => {
    const released: number[] = [];
    const stop = releaseOnTime(
      [0, 5, 10],
      (due) => due,
      (due) => released.push(due),
    );
    stop();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(released).toEqual([0]);
  });
});

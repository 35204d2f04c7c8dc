/** When each position is sent, and what time it says it was recorded at. Times in milliseconds, whole. */
export type Timeline = {
  /** Track time of the first and the last position of the file, epoch milliseconds. */
  firstMs: number;
  lastMs: number;
  /** Track seconds a second; Infinity: as fast as it goes. */
  speed: number;
};

/** Milliseconds after the start at which the position of that track time is sent; all tracks run on this clock. */
export function dueAfterMs({ firstMs, speed }: Timeline, timeMs: number): number {
  return (timeMs - firstMs) / speed;
}

/** How long the replay takes, in milliseconds. */
export function durationMs(timeline: Timeline): number {
  return dueAfterMs(timeline, timeline.lastMs);
}

/**
 * What is added to every track time so that the track has happened just now: the last position gets the wall time
 * at which it is sent, `startWallMs + duration / speed`, and the spacing of the positions stays what it was.
 *
 * With speed >= 1 all earlier positions then lie further back than the moment they are sent at. In slow motion it
 * is the first one that must not lie in the future, so it is the one that gets the wall time of its sending.
 */
export function shiftMs(timeline: Timeline, startWallMs: number): number {
  const duration = timeline.lastMs - timeline.firstMs;
  return (
    Math.floor(startWallMs) - timeline.lastMs + Math.floor(Math.min(duration, duration / timeline.speed))
  );
}

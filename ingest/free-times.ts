import type { LoggedPosition } from '../shared/position-log/index.ts';

/** Is this stored position the same as that one, which only did not learn that it was stored? */
const isItself = (stored: LoggedPosition, position: LoggedPosition) =>
  stored.receivedAt === position.receivedAt &&
  stored.latitude === position.latitude &&
  stored.longitude === position.longitude;

/**
 * Moves positions without a time of their own on to the next free milliseconds. One that finds itself on its way is stored
 * already: an earlier try got through and only its answer was lost.
 * @param positions of one driver, in the order of their times
 * @param stored what this driver has in the history before `end`
 * @param taken times of stored positions that are known to be none of these; those found here are added
 * @returns those with a time to be stored at, and those that found none before `end`
 */
export function findFreeTimes(
  positions: readonly LoggedPosition[],
  stored: readonly LoggedPosition[],
  taken: Set<number>,
  end: number,
): { placed: LoggedPosition[]; left: LoggedPosition[] } {
  const byTime = new Map(stored.map((position) => [position.recordedAt, position]));
  const placed: LoggedPosition[] = [];
  const left: LoggedPosition[] = [];
  for (const position of positions) {
    let at = position.recordedAt;
    let found: LoggedPosition | undefined;
    for (; at < end; at++) {
      if (taken.has(at)) continue;
      found = byTime.get(at);
      if (found === undefined || isItself(found, position)) break;
    }
    position.recordedAt = at;
    if (at >= end) {
      left.push(position);
      continue;
    }
    taken.add(at);
    if (found === undefined) placed.push(position);
  }
  return { placed, left };
}

import { between, distance, type Spot, turn } from '../city/geometry.ts';
import { shortestPath } from '../city/shortest-path.ts';
import type { Street, StreetMap } from '../city/street-map.ts';
import { element } from '../element.ts';
import type { Random } from '../random.ts';
import type { RoutePoint } from './route-point.ts';
import { planSpeeds } from './speed-plan.ts';

/** m/s. What drivers in a city like to go; it changes a little from street to street. */
const CRUISE = { low: 8, high: 14, step: 1.2 };

/** A light that shows red when the car comes: how often, and for how many seconds. */
const RED_LIGHT = { chance: 0.15, low: 5, high: 30 };
/** Metres from the middle of the crossing to the stop line. */
const STOP_LINE = 10;

/** Radians from which on a corner is driven as a curve, and metres before the corner where it begins. */
const CORNER = { turn: Math.PI / 12, begin: 6.5, pieces: 6 };

type Corner = { before: Spot; at: Spot; after: Spot };

/** A quadratic Bézier curve that leaves the straight before the corner and ends in that behind it. */
function* roundedCorner({ before, at, after }: Corner): Generator<Spot> {
  const reach = (end: Spot) => Math.min(CORNER.begin / distance(at, end), 0.45);
  const [start, end] = [between(at, before, reach(before)), between(at, after, reach(after))];
  for (let piece = 0; piece <= CORNER.pieces; piece++) {
    const share = piece / CORNER.pieces;
    yield between(between(start, at, share), between(at, end, share), share);
  }
}

/** Collects the points of a line; the same place twice is one. */
class Line {
  readonly points: RoutePoint[] = [];

  add({ x, y }: Spot, cruise: number, rest: { wait?: number; address?: number } = {}): void {
    const last = this.points.at(-1);
    const step = last === undefined ? 0 : distance(last, { x, y });
    if (last !== undefined && step < 0.01) return;
    const { wait = 0, address } = rest;
    this.points.push({ x, y, along: (last?.along ?? 0) + step, cruise, cap: cruise, wait, address });
  }
}

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

function addCrossing(line: Line, street: Street, next: Street, cruise: number, random: Random): void {
  const before = element(street.shape, street.shape.length - 2);
  const at = element(street.shape, street.shape.length - 1);
  const after = element(next.shape, 1);
  if (random.chance(RED_LIGHT.chance)) {
    const stopAt = between(at, before, Math.min(STOP_LINE / distance(at, before), 0.6));
    line.add(stopAt, cruise, { wait: random.between(RED_LIGHT.low, RED_LIGHT.high) });
  }
  if (turn(before, at, after) < CORNER.turn) line.add(at, cruise);
  else for (const spot of roundedCorner({ before, at, after })) line.add(spot, cruise);
}

/** The line from one address to another with the speeds that a careful driver keeps on it. */
export function planRoute(map: StreetMap, from: number, to: number, random: Random): RoutePoint[] {
  const line = new Line();
  const streets = shortestPath(map, from, to);
  let cruise = random.between(CRUISE.low, CRUISE.high);
  line.add(element(map.nodes, from), cruise, { address: from });
  for (const [index, street] of streets.entries()) {
    cruise = clamp(cruise + random.normal() * CRUISE.step, CRUISE.low, CRUISE.high);
    for (const spot of street.shape.slice(1, -1)) line.add(spot, cruise);
    const next = streets[index + 1];
    const end = element(map.nodes, street.to);
    if (end.isAddress || next === undefined) line.add(end, cruise, { address: street.to });
    else addCrossing(line, street, next, cruise, random);
  }
  planSpeeds(line.points);
  return line.points;
}

import { element } from '../element.ts';
import { createRandom, type Random } from '../random.ts';
import type { City } from './cities.ts';
import { distance, type Spot } from './geometry.ts';

/** Half a block, from a crossing to the house in its middle or back. */
export type Street = {
  to: number;
  length: number;
  /** From here to there, both ends included. */
  shape: readonly Spot[];
};

/** Where streets meet or, half way along a block, an address: the only places where a car may stop for long. */
export type StreetNode = Spot & { isAddress: boolean; streets: Street[] };

export type StreetMap = {
  nodes: readonly StreetNode[];
  /** Indexes of the nodes that are addresses, in the order of their distance from the centre. */
  addresses: readonly number[];
};

/** A block's line is cut into so many straight pieces: an even number, the address lies in the middle. */
const PIECES = 6;

/**
 * The plan before it is built: from metres along a straight grid to where it lies. Two waves each way bend the avenues,
 * then all is turned.
 */
function bend({ curvature, curveLength, rotation }: City, random: Random): (u: number, v: number) => Spot {
  const phases = Array.from({ length: 4 }, () => random.between(0, 2 * Math.PI));
  const wave = (along: number, first: number) =>
    curvature *
    (Math.sin((2 * Math.PI * along) / curveLength + (phases[first] ?? 0)) +
      0.5 * Math.sin((2 * Math.PI * along) / (curveLength * 1.7) + (phases[first + 1] ?? 0)));
  const angle = (rotation * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return (u, v) => {
    const [x, y] = [u + wave(v, 0), v + wave(u, 2)];
    return { x: x * cos - y * sin, y: x * sin + y * cos };
  };
}

function lengthOf(shape: readonly Spot[]): number {
  let length = 0;
  for (let index = 1; index < shape.length; index++)
    length += distance(element(shape, index - 1), element(shape, index));
  return length;
}

function connect(nodes: readonly StreetNode[], from: number, to: number, shape: readonly Spot[]): void {
  const length = lengthOf(shape);
  element(nodes, from).streets.push({ to, length, shape });
  element(nodes, to).streets.push({ to: from, length, shape: [...shape].reverse() });
}

/** Every node that can be reached from the first; the others are cut off. */
function reachable(nodes: readonly StreetNode[], start: number): Set<number> {
  const seen = new Set([start]);
  for (const node of seen) for (const { to } of element(nodes, node).streets) seen.add(to);
  return seen;
}

/** The largest connected part, numbered anew. */
function largestPart(nodes: readonly StreetNode[]): StreetNode[] {
  let largest = new Set<number>();
  const seen = new Set<number>();
  for (let start = 0; start < nodes.length; start++) {
    if (seen.has(start)) continue;
    const part = reachable(nodes, start);
    for (const node of part) seen.add(node);
    if (part.size > largest.size) largest = part;
  }
  const kept = [...largest].sort((a, b) => a - b);
  const numbers = new Map(kept.map((node, index) => [node, index]));
  return kept.map((index) => {
    const { x, y, isAddress, streets } = element(nodes, index);
    const renumbered = streets.map((street) => ({ ...street, to: numbers.get(street.to) ?? 0 }));
    return { x, y, isAddress, streets: renumbered };
  });
}

/** The streets of a city: the same for the same seed. */
export function buildStreetMap(city: City, seed: number): StreetMap {
  const random = createRandom(seed, 'streets');
  const at = bend(city, random);
  const perSide = Math.floor(city.extent / city.block) + 1;
  const meters = (index: number) => (index - (perSide - 1) / 2) * city.block;
  const nodes: StreetNode[] = [];
  for (let row = 0; row < perSide; row++)
    for (let column = 0; column < perSide; column++)
      nodes.push({ ...at(meters(column), meters(row)), isAddress: false, streets: [] });

  const block = (row: number, column: number, down: number, right: number) => {
    if (row + down >= perSide || column + right >= perSide || random.chance(city.gaps)) return;
    const line = Array.from({ length: PIECES + 1 }, (_, piece) =>
      at(meters(column + (right * piece) / PIECES), meters(row + (down * piece) / PIECES)),
    );
    const address = nodes.push({ ...element(line, PIECES / 2), isAddress: true, streets: [] }) - 1;
    connect(nodes, row * perSide + column, address, line.slice(0, PIECES / 2 + 1));
    connect(nodes, address, (row + down) * perSide + column + right, line.slice(PIECES / 2));
  };
  for (let row = 0; row < perSide; row++)
    for (let column = 0; column < perSide; column++) {
      block(row, column, 0, 1);
      block(row, column, 1, 0);
    }

  const connected = largestPart(nodes);
  const fromCentre = (index: number) => distance(element(connected, index), { x: 0, y: 0 });
  const addresses = [...connected.keys()].filter((index) => element(connected, index).isAddress);
  addresses.sort((a, b) => fromCentre(a) - fromCentre(b));
  return { nodes: connected, addresses };
}

/** The address that lies closest to a spot. */
export function nearestAddress({ nodes, addresses }: StreetMap, spot: Spot): number {
  let nearest = addresses[0] ?? 0;
  let least = Number.POSITIVE_INFINITY;
  for (const address of addresses) {
    const away = distance(element(nodes, address), spot);
    if (away < least) [nearest, least] = [address, away];
  }
  return nearest;
}

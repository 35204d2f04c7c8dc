import { element } from '../element.ts';
import { Heap } from '../heap.ts';
import { distance } from './geometry.ts';
import type { Street, StreetMap } from './street-map.ts';

/**
 * The shortest way along the streets, by A* with the straight line for what is left (P. Hart, N. Nilsson, B. Raphael,
 * 1968). The map is connected, so there is one.
 */
export function shortestPath({ nodes }: StreetMap, from: number, to: number): readonly Street[] {
  const target = element(nodes, to);
  const travelled = new Map([[from, 0]]);
  const cameBy = new Map<number, { from: number; street: Street }>();
  const open = new Heap<number>();
  const done = new Set<number>();
  open.push(0, from);
  for (let node = open.pop(); node !== undefined && node !== to; node = open.pop()) {
    if (done.has(node)) continue;
    done.add(node);
    const soFar = travelled.get(node) ?? 0;
    for (const street of element(nodes, node).streets) {
      const length = soFar + street.length;
      if (length >= (travelled.get(street.to) ?? Number.POSITIVE_INFINITY)) continue;
      travelled.set(street.to, length);
      cameBy.set(street.to, { from: node, street });
      open.push(length + distance(element(nodes, street.to), target), street.to);
    }
  }
  const path: Street[] = [];
  for (let node = to; node !== from; ) {
    const last = cameBy.get(node);
    if (last === undefined) throw new RangeError(`no way leads from node ${from} to node ${to}`);
    path.push(last.street);
    node = last.from;
  }
  return path.reverse();
}

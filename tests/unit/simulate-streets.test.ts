import { describe, expect, test } from '@jest/globals';
import { type CityName, cities, cityNames } from '../../tools/simulate/city/cities.ts';
import { distance, Projection, turn } from '../../tools/simulate/city/geometry.ts';
import { shortestPath } from '../../tools/simulate/city/shortest-path.ts';
import { buildStreetMap, nearestAddress } from '../../tools/simulate/city/street-map.ts';
import { Town } from '../../tools/simulate/city/town.ts';
import { element } from '../../tools/simulate/element.ts';
import { createRandom } from '../../tools/simulate/random.ts';

const maps = Object.fromEntries(cityNames.map((name) => [name, buildStreetMap(cities[name], 1)])) as Record<
  CityName,
  ReturnType<typeof buildStreetMap>
>;

describe.each(cityNames)('the streets of %s', (name) => {
  const map = maps[name];

  test('lead from everywhere to everywhere', () => {
    const seen = new Set([0]);
    for (const node of seen) for (const { to } of element(map.nodes, node).streets) seen.add(to);
    expect(seen.size).toBe(map.nodes.length);
    expect(map.addresses.length).toBeGreaterThan(1_000);
  });

  test('stay within the city, with crossings a block apart', () => {
    const { extent, block, curvature } = cities[name];
    // A corner of the square, and both waves of an avenue on top
    const reach = (extent / 2) * Math.SQRT2 + 3 * curvature;
    expect(map.nodes.filter(({ x, y }) => Math.hypot(x, y) > reach)).toEqual([]);
    expect(map.nodes.filter(({ isAddress, streets }) => streets.length > (isAddress ? 2 : 4))).toEqual([]);
    const lengths = map.nodes.flatMap(({ streets }) => streets.map(({ length }) => length));
    expect(Math.min(...lengths)).toBeGreaterThan(block / 4);
    expect(Math.max(...lengths)).toBeLessThan(block);
  });

  test('begin and end where their nodes are, are as long as their line, and go both ways', () => {
    const wrong = map.nodes.flatMap((node, index) =>
      node.streets.filter(({ to, shape, length }) => {
        const end = element(map.nodes, to);
        return (
          distance(element(shape, 0), node) > 0 ||
          distance(element(shape, shape.length - 1), end) > 0 ||
          length < distance(node, end) - 1e-9 ||
          !end.streets.some((back) => back.to === index)
        );
      }),
    );
    expect(wrong).toEqual([]);
  });

  test('are the same for the same seed, and others for another', () => {
    const text = JSON.stringify(map);
    expect(JSON.stringify(buildStreetMap(cities[name], 1)) === text).toBe(true);
    expect(JSON.stringify(buildStreetMap(cities[name], 2)) === text).toBe(false);
  });

  test('are found again by a place on the globe', () => {
    const projection = new Projection(cities[name].centre);
    for (const address of map.addresses.slice(0, 50)) {
      const place = projection.place(element(map.nodes, address));
      expect(Math.abs(place.latitude - cities[name].centre.latitude)).toBeLessThan(0.1);
      expect(nearestAddress(map, projection.spot(place))).toBe(address);
    }
  });
});

test('Athens has curved avenues, San Francisco straight ones', () => {
  const bends = (name: CityName) => {
    const shapes = maps[name].nodes.flatMap(({ streets }) => streets.map(({ shape }) => shape));
    return shapes.filter((shape) => turn(element(shape, 0), element(shape, 1), element(shape, 3)) > 0.01);
  };
  expect(bends('athens').length / maps.athens.nodes.length).toBeGreaterThan(1);
  expect(bends('sf')).toEqual([]);
});

describe('the shortest way', () => {
  /** All distances from a node, by the plain algorithm of Bellman and Ford. */
  function distancesFrom(start: number): number[] {
    const { nodes } = maps.athens;
    const distances = nodes.map((_, index) => (index === start ? 0 : Number.POSITIVE_INFINITY));
    for (let changed = true; changed; ) {
      changed = false;
      for (const [index, { streets }] of nodes.entries())
        for (const { to, length } of streets)
          if (element(distances, index) + length < element(distances, to) - 1e-9) {
            distances[to] = element(distances, index) + length;
            changed = true;
          }
    }
    return distances;
  }

  test('is in one piece, and none is shorter', () => {
    const [start] = maps.athens.addresses;
    if (start === undefined) throw new Error('no address');
    const distances = distancesFrom(start);
    const random = createRandom(1, 'test');
    for (let round = 0; round < 30; round++) {
      const target = element(maps.athens.addresses, random.index(maps.athens.addresses.length));
      const path = shortestPath(maps.athens, start, target);
      let node = start;
      for (const street of path) {
        expect(element(maps.athens.nodes, node).streets.includes(street)).toBe(true);
        node = street.to;
      }
      expect(node).toBe(target);
      const length = path.reduce((sum, street) => sum + street.length, 0);
      expect(length).toBeCloseTo(element(distances, target), 6);
    }
  });
});

test('an address some way off is as far away as asked for, where the town is large enough', () => {
  const town = new Town('athens', 1, 200);
  const random = createRandom(1, 'test');
  const distances = Array.from({ length: 100 }, () => {
    const address = town.anyAddress(random);
    const other = town.addressAwayFrom(address, 500, random);
    return distance(element(town.map.nodes, address), element(town.map.nodes, other));
  });
  const mean = distances.reduce((sum, each) => sum + each, 0) / distances.length;
  expect(mean).toBeGreaterThan(400);
  expect(mean).toBeLessThan(600);
});

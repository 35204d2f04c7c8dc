import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { EtaEstimator, EtaRequest } from '../../shared/eta/index.ts';
import {
  answerJson,
  answerRoute,
  byRoad,
  byStraightLine,
  dropoff,
  far,
  pickup,
  route,
  startRouting,
  trip,
  until,
} from '../support/routing-engine.ts';

let routing: Awaited<ReturnType<typeof startRouting>>;
let engine: typeof routing.engine;
let eta: EtaEstimator;

beforeEach(async () => {
  routing = await startRouting();
  engine = routing.engine;
  eta = routing.startEta();
});
afterEach(() => routing.stop());

const between = { latitude: 37.99, longitude: 23.73 };

const isByRoad = (request: EtaRequest) => eta.estimate(request).meters !== byStraightLine.meters;

describe('a question', () => {
  test('is for the way from the driver to the target, longitude first, without its geometry', async () => {
    eta.estimate(trip('trip-1'));
    await until(() => engine.paths.length === 1);
    expect(engine.paths).toEqual([
      '/route/v1/driving/23.730000,38.000000;23.730000,37.980000?overview=false',
    ]);
  });

  test('keeps the path and the key of the address', async () => {
    eta = routing.startEta({}, `${engine.url}/osrm/?key=secret`);
    eta.estimate(trip('trip-1'));
    await until(() => engine.paths.length === 1);
    expect(engine.paths[0]).toMatch(/^\/osrm\/route\/v1\/driving\/.*\?key=secret&overview=false$/);
  });

  test('near the equator and the meridian has no exponents', async () => {
    eta.estimate(trip('trip-1', { from: { latitude: 1e-7, longitude: -1e-7 } }));
    await until(() => engine.paths.length === 1);
    expect(engine.paths[0]).toContain('/driving/-0.000000,0.000000;23.730000,');
  });
});

describe('an answer', () => {
  test('is not waited for: until then the fallback estimates', async () => {
    expect(eta.estimate(trip('trip-1'))).toEqual(byStraightLine);
    await until(() => isByRoad(trip('trip-1')));
    expect(eta.estimate(trip('trip-1'))).toEqual(byRoad);
  });

  test('serves until the next one, scaled by the straight line', async () => {
    await until(() => isByRoad(trip('trip-1')));
    expect(eta.estimate(trip('trip-1', { from: between }))).toEqual({ meters: 2_716, seconds: 327 });
    expect(eta.estimate(trip('trip-1', { from: pickup }))).toEqual({ meters: 0, seconds: 0 });
    expect(engine.paths).toHaveLength(1);
  });

  test('for a target next door is not multiplied without end', async () => {
    const nextDoor = trip('trip-1', { from: { latitude: 37.980_01, longitude: 23.73 } });
    await until(() => isByRoad(nextDoor));
    expect(eta.estimate(trip('trip-1')).meters).toBe(Math.round(2 * route.distance));
  });

  test('is of one target: with another the fallback estimates until the new answer', async () => {
    await until(() => isByRoad(trip('trip-1')));
    expect(eta.estimate(trip('trip-1', { to: dropoff }))).toEqual(byStraightLine);
    await until(() => isByRoad(trip('trip-1', { to: dropoff })));
    expect(engine.paths).toHaveLength(2);
  });

  test('for the old target that comes after the change is not taken for the new', async () => {
    const held = engine.hold();
    eta.estimate(trip('trip-1'));
    await until(() => held.length === 1);
    eta.estimate(trip('trip-1', { to: dropoff }));
    await until(() => held.length === 2);
    answerJson(held[0] as ServerResponse, { code: 'Ok', routes: [{ distance: 99, duration: 9 }] });
    // One more, answered after it: by then the old one has come.
    engine.answer = answerRoute;
    await until(() => isByRoad(trip('marker')));
    expect(eta.estimate(trip('trip-1', { to: dropoff }))).toEqual(byStraightLine);
    answerRoute(held[1] as ServerResponse);
    await until(() => isByRoad(trip('trip-1', { to: dropoff })));
    expect(eta.estimate(trip('trip-1', { to: dropoff }))).toEqual(byRoad);
  });

  test('that no road joins the two leaves it to the fallback, and is no failure', async () => {
    engine.answer = (response) => answerJson(response, { code: 'NoRoute', message: 'Impossible route' }, 400);
    for (let asked = 1; asked <= 20; asked++) {
      expect(eta.estimate(trip(`trip-${asked}`))).toEqual(byStraightLine);
      await until(() => engine.paths.length === asked);
    }
    expect(routing.failures()).toBe(0);
    engine.answer = answerRoute;
    await until(() => isByRoad(trip('marker')));
  });
});

describe('the engine is not flooded', () => {
  test('a thousand positions of a trip are one question', async () => {
    for (let position = 0; position < 1_000; position++) eta.estimate(trip('trip-1'));
    await until(() => isByRoad(trip('trip-1')));
    for (let position = 0; position < 1_000; position++) eta.estimate(trip('trip-1'));
    await until(() => isByRoad(trip('marker')));
    expect(engine.paths).toHaveLength(2);
  });

  test('the next one follows after the interval, not before', async () => {
    eta = routing.startEta({ askEveryMs: 100 });
    const startedAt = performance.now();
    await until(() => {
      eta.estimate(trip('trip-1'));
      return engine.paths.length === 4;
    });
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(299);
  });

  test('a slow engine has eight questions at once, however many trips there are', async () => {
    eta = routing.startEta({ timeoutMs: 30_000 });
    const held = engine.hold();
    const all = Array.from({ length: 100 }, (_, number) => trip(`trip-${number}`));
    for (let round = 0; round < 3; round++) for (const each of all) eta.estimate(each);
    await until(() => held.length === 8);
    for (const each of all) eta.estimate(each);
    // When one is answered, one more is asked: what is there then is all there is.
    answerRoute(held[0] as ServerResponse);
    await until(() => {
      for (const each of all) eta.estimate(each);
      return held.length > 8;
    });
    expect(held).toHaveLength(9);
  });
});

describe('the end', () => {
  test('of a trip: nothing of it is kept, nor what comes late', async () => {
    await until(() => isByRoad(trip('trip-1')));
    const held = engine.hold();
    eta.estimate(trip('trip-2'));
    await until(() => held.length === 1);
    for (const tripId of ['trip-1', 'trip-2']) eta.forget(tripId, 'driver-1');
    answerRoute(held[0] as ServerResponse);
    for (const tripId of ['trip-1', 'trip-2']) expect(eta.estimate(trip(tripId))).toEqual(byStraightLine);
    await until(() => held.length === 3);
    // One more, answered after it: by then the late one has come.
    engine.answer = answerRoute;
    await until(() => isByRoad(trip('marker')));
    for (const tripId of ['trip-1', 'trip-2']) expect(eta.estimate(trip(tripId))).toEqual(byStraightLine);
    expect(routing.told).toEqual(['forget trip-1 driver-1', 'forget trip-2 driver-1']);
  });

  test('of the process: what is under way is left, and nothing more is asked', async () => {
    eta = routing.startEta({ timeoutMs: 30_000 });
    let hungUp = 0;
    engine.answer = (response) => void response.once('close', () => hungUp++);
    eta.estimate(trip('trip-1'));
    await until(() => engine.paths.length === 1);
    eta.stop();
    await until(() => hungUp === 1);
    expect(eta.estimate(trip('trip-2'))).toEqual(byStraightLine);
    expect(engine.paths).toHaveLength(1);
    expect(routing.told).toEqual(['stop']);
    expect(routing.notices()).toEqual([]);
  });

  test('the positions go to the fallback, which learns from them', () => {
    eta.observe('driver-1', { ...far, recordedAt: 0, speed: 3 });
    expect(routing.told).toEqual(['observe driver-1']);
  });
});

test.each(['no address', 'osrm:5000', 'ftp://osrm', 'http://user:secret@osrm'])(
  'the address %j is refused at once, and not repeated',
  (url) => {
    expect(() => routing.startEta({}, url)).toThrow(/^OSRM_URL must be an http or https address/);
    expect(() => routing.startEta({}, url)).not.toThrow(/secret/);
  },
);

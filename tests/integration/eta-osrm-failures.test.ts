import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { EtaEstimator, EtaRequest } from '../../shared/eta/index.ts';
import {
  answerJson,
  answerRoute,
  byRoad,
  byStraightLine,
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
});
afterEach(() => routing.stop());

const isByRoad = (request: EtaRequest) => eta.estimate(request).meters !== byStraightLine.meters;

/** A trip more for each question, so that none waits for its next turn. */
let trips = 0;
const newTrip = () => trip(`new-${trips++}`);

/** Asks for new trips, one after the other, until so many have failed. */
async function fail(count: number): Promise<void> {
  for (let failed = 1; failed <= count; failed++) {
    expect(eta.estimate(newTrip())).toEqual(byStraightLine);
    await until(() => routing.failures() >= failed);
  }
}

describe('an engine that fails', () => {
  const bad: [string, (response: ServerResponse) => void][] = [
    ['is slow', () => undefined],
    ['begins an answer and does not end it', (response) => void response.writeHead(200).write('{"code":')],
    ['answers 500', (response) => answerJson(response, { code: 'Ok', routes: [route] }, 500)],
    ['answers with an error', (response) => answerJson(response, { code: 'InvalidQuery' }, 400)],
    [
      'answers a code that is not Ok',
      (response) => answerJson(response, { code: 'TooBig', routes: [route] }),
    ],
    ['answers HTML', (response) => void response.end('<html>oops</html>')],
    ['answers nothing', (response) => void response.end()],
    ['answers null', (response) => answerJson(response, null)],
    ['answers without routes', (response) => answerJson(response, { code: 'Ok', routes: [] })],
    ['answers with a route of null', (response) => answerJson(response, { code: 'Ok', routes: [null] })],
    ['answers with routes that are none', (response) => answerJson(response, { code: 'Ok', routes: 'none' })],
    [
      'answers with a negative distance',
      (response) => answerJson(response, { code: 'Ok', routes: [{ distance: -1, duration: 1 }] }),
    ],
    [
      'answers with text for numbers',
      (response) => answerJson(response, { code: 'Ok', routes: [{ distance: '1', duration: '1' }] }),
    ],
    [
      'answers a megabyte',
      (response) => void response.end(JSON.stringify({ code: 'Ok', routes: [route] }).padEnd(1_048_576)),
    ],
    [
      'sends elsewhere',
      (response) =>
        response.req.url === '/elsewhere'
          ? answerRoute(response)
          : void response.writeHead(302, { location: '/elsewhere' }).end(),
    ],
    ['hangs up', (response) => void response.destroy()],
    [
      'hangs up in the middle',
      (response) => void response.writeHead(200).write('{', () => response.destroy()),
    ],
  ];

  test.each(bad)('%s: the fallback estimates, and it is asked again', async (_name, answer) => {
    eta = routing.startEta({ timeoutMs: 500, askEveryMs: 50 });
    engine.answer = answer;
    await until(() => {
      expect(eta.estimate(trip('trip-1'))).toEqual(byStraightLine);
      return routing.failures() === 2;
    });
    engine.answer = answerRoute;
    await until(() => isByRoad(trip('trip-1')));
    expect(eta.estimate(trip('trip-1'))).toEqual(byRoad);
    expect(routing.notices()).toEqual([]);
  });

  test('once, leaves the answer before in force', async () => {
    eta = routing.startEta({ askEveryMs: 1_000 });
    await until(() => isByRoad(trip('trip-1')));
    engine.answer = (response) => answerJson(response, {}, 500);
    await until(() => {
      eta.estimate(trip('trip-1'));
      return routing.failures() === 1;
    });
    expect(eta.estimate(trip('trip-1'))).toEqual(byRoad);
  });

  test('for longer than an answer serves leaves it to the fallback', async () => {
    eta = routing.startEta({ askEveryMs: 50 });
    await until(() => isByRoad(trip('trip-1')));
    const held = engine.hold();
    await until(() => !isByRoad(trip('trip-1')));
    for (const response of held) answerRoute(response);
    await until(() => isByRoad(trip('trip-1')));
  });
});

describe('an outage', () => {
  test('is noticed after five failures in a row: no more questions, not even for a trip with an answer', async () => {
    eta = routing.startEta();
    await until(() => isByRoad(trip('trip-1')));
    engine.answer = (response) => answerJson(response, {}, 503);
    await fail(5);
    for (let asked = 0; asked < 100; asked++) expect(eta.estimate(newTrip())).toEqual(byStraightLine);
    expect(eta.estimate(trip('trip-1'))).toEqual(byStraightLine);
    // What had been asked would come before it.
    await fetch(`${engine.url}/marker`);
    expect(engine.paths.slice(6)).toEqual(['/marker']);
    expect(routing.failures()).toBe(5);
    expect(routing.notices()).toEqual([expect.stringMatching(/fails/)]);
  });

  test('is tried with one question after a rest, and again after the next', async () => {
    eta = routing.startEta({ restMs: 100, timeoutMs: 30_000 });
    engine.answer = (response) => answerJson(response, {}, 503);
    await fail(5);
    const held = engine.hold();
    for (const tried of [1, 2]) {
      await until(() => {
        eta.estimate(newTrip());
        return held.length === tried;
      });
      for (let asked = 0; asked < 100; asked++) eta.estimate(newTrip());
      answerJson(held[tried - 1] as ServerResponse, {}, 503);
      await until(() => routing.failures() === 5 + tried);
    }
    expect(engine.paths).toHaveLength(7);
    expect(routing.notices()).toHaveLength(1);
  });

  test('ends when that one is answered', async () => {
    eta = routing.startEta({ restMs: 100 });
    engine.answer = (response) => answerJson(response, {}, 503);
    await fail(5);
    engine.answer = answerRoute;
    await until(() => {
      eta.estimate(newTrip());
      return routing.notices().length === 2;
    });
    await until(() => isByRoad(trip('trip-1')));
    expect(routing.notices()).toEqual([expect.stringMatching(/fails/), expect.stringMatching(/back/)]);
  });

  test('of the host, and its return on the same port', async () => {
    eta = routing.startEta({ restMs: 100 });
    await engine.stop();
    await fail(5);
    expect(routing.notices()).toHaveLength(1);
    await engine.restart();
    await until(() => {
      eta.estimate(newTrip());
      return routing.notices().length === 2;
    });
    await until(() => isByRoad(trip('trip-1')));
  });

  test('tells no position and no key to the log', async () => {
    eta = routing.startEta({}, `${engine.url}/?key=secret`);
    engine.answer = (response) => void response.end('where is 23.730000,38.000000?');
    await fail(5);
    await until(() => routing.notices().length === 1);
    expect(JSON.stringify(routing.logged)).not.toMatch(/secret|23\.73|38\.00/);
  });
});

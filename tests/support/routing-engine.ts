import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import type { EtaEstimator, EtaRequest } from '../../shared/eta/index.ts';
import { createOsrmEta, type OsrmTiming } from '../../shared/eta/osrm.ts';

/** What the engine answers, what an estimate is made of it at once, and what the fallback says. */
export const route = { distance: 5_432.1, duration: 654.3 };
export const byRoad = { meters: 5_432, seconds: 654 };
export const byStraightLine = { meters: 1, seconds: 2 };

export const pickup = { latitude: 37.98, longitude: 23.73 };
export const dropoff = { latitude: 37.95, longitude: 23.7 };
export const far = { latitude: 38, longitude: 23.73 };

/** From `far` to `pickup`, unless said otherwise. */
export const trip = (tripId: string, more: Partial<EtaRequest> = {}): EtaRequest => ({
  tripId,
  driverId: 'driver-1',
  from: far,
  to: pickup,
  ...more,
});

export function answerJson(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

export function answerRoute(response: ServerResponse): void {
  answerJson(response, { code: 'Ok', routes: [route] });
}

/** A routing engine (OSRM's HTTP API) on a port of its own, which counts what it is asked. */
async function startEngine() {
  const engine = {
    paths: [] as string[],
    answer: answerRoute as (response: ServerResponse) => void,
    /** From now on nobody is answered: who asks waits here. */
    hold(): ServerResponse[] {
      const held: ServerResponse[] = [];
      engine.answer = (response) => void held.push(response);
      return held;
    },
    url: '',
    async stop() {
      server.closeAllConnections();
      server.close();
      if (server.listening) await once(server, 'close');
    },
    async restart() {
      server.listen(Number(new URL(engine.url).port), '127.0.0.1');
      await once(server, 'listening');
    },
  };
  const server = createServer((request, response) => {
    engine.paths.push(request.url ?? '');
    // No connection outlives its answer: stopping the server then is what it is when a host dies.
    response.setHeader('connection', 'close');
    engine.answer(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  engine.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return engine;
}

/** pino's numbers. */
const DEBUG = 20;

type LogLine = { level: number; msg: string };

/** An engine, estimators that ask it, their log, and a fallback that notes what it is told. */
export async function startRouting() {
  const engine = await startEngine();
  const told: string[] = [];
  const logged: LogLine[] = [];
  const estimators: EtaEstimator[] = [];
  const fallback: EtaEstimator = {
    observe: (driverId) => void told.push(`observe ${driverId}`),
    estimate: () => byStraightLine,
    forget: (tripId, driverId) => void told.push(`forget ${tripId} ${driverId}`),
    stop: () => void told.push('stop'),
  };
  return {
    engine,
    told,
    logged,
    /** Questions that were not answered well. */
    failures: () => logged.filter(({ level }) => level === DEBUG).length,
    notices: () => logged.filter(({ level }) => level > DEBUG).map(({ msg }) => msg),
    startEta(timing: Partial<OsrmTiming> = {}, url = engine.url): EtaEstimator {
      const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(JSON.parse(line)) });
      const eta = createOsrmEta({ url, fallback, log, timing });
      estimators.push(eta);
      return eta;
    },
    async stop() {
      for (const eta of estimators) eta.stop();
      await engine.stop();
    },
  };
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { watch } from '../shared/telemetry/watch.ts';
import { createApp } from './app.ts';
import { answerClientError } from './client-errors.ts';
import { OpenStreams } from './live/open-streams.ts';
import type { ApiOptions } from './options.ts';

export type RunningApi = {
  port: number;
  /** Answers what is under way, takes nothing new. */
  stop(): Promise<void>;
};

/** Longest that a client may take to send its headers, and its whole request (ms). */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** How often these two are looked at; Node's own 30 s would make 40 s of the first. */
const CHECK_TIMEOUTS_MS = 2000;
const STOP_TIMEOUT_MS = 5000;

export async function startApi(host: string, port: number, options: ApiOptions): Promise<RunningApi> {
  const streams = new OpenStreams(options.control, options.revocations, options.log);
  watch(options.metrics.registry, 'fleetcast_api_event_streams', 'Open event streams', () => streams.size);
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_TIMEOUTS_MS,
      noDelay: true,
    },
    createApp(options, streams),
  );
  server.on('clientError', answerClientError);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), STOP_TIMEOUT_MS);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        streams.stop();
        server.closeIdleConnections();
      }),
  };
}

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ApiOptions, createApp } from './app.ts';

export type RunningApi = {
  port: number;
  /** Answers what is under way, takes nothing new. */
  stop(): Promise<void>;
};

/** Longest that a client may take to send its headers, and its whole request (ms). */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5000;

export async function startApi(host: string, port: number, options: ApiOptions): Promise<RunningApi> {
  const server = createServer(
    { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS, noDelay: true },
    createApp(options),
  );
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
        server.closeIdleConnections();
      }),
  };
}

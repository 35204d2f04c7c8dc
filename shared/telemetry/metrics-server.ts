import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { type Health, healthAnswer } from '../health.ts';
import type { HttpAnswer, LogLevelDoor } from './log-level.ts';

export type MetricsServer = { port: number; stop(): Promise<void> };

/** `/metrics`, `/health*` and `/log-level`, in every role. */
export async function startMetricsServer(
  host: string,
  port: number,
  registry: Registry,
  health: Health,
  logLevel: LogLevelDoor,
): Promise<MetricsServer> {
  const answer = async (request: IncomingMessage): Promise<HttpAnswer> => {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    if (path === '/log-level') return logLevel.answer(request, false);
    if (path === '/metrics')
      return { status: 200, type: registry.contentType, body: await registry.metrics() };
    const found = await healthAnswer(path, health);
    return {
      status: found?.status ?? 404,
      type: 'application/json',
      body: JSON.stringify(found?.body ?? { status: 'not found' }),
    };
  };
  const server = createServer((request, response) => {
    answer(request).then(
      ({ status, type, body, headers }) =>
        response.writeHead(status, { 'content-type': type, ...headers }).end(body),
      (error: Error) => response.destroy(error),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        logLevel.stop();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { type Health, healthAnswer } from '../health.ts';

export type MetricsServer = { port: number; stop(): Promise<void> };

/** `/metrics` and `/health*`, in every role. */
export async function startMetricsServer(
  host: string,
  port: number,
  registry: Registry,
  health: Health,
): Promise<MetricsServer> {
  const answer = async (path: string): Promise<{ status: number; type: string; body: string }> => {
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
    answer((request.url ?? '/').split('?')[0] ?? '/').then(
      ({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body),
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
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
